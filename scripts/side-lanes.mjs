/**
 * Test files, named as in test/ and with * for any, that run beside all others, about half of the time: pages and dialogs in a browser,
 * programs of the command line, whole flows, and files that wait for clocks, cameras and streams of ffmpeg at their own speed.
 */
export const SIDE_LANES = [
  [
    'browser/*',
    'cli/*',
    'flows/*',
    'nodes/hours',
    'nodes/lib/ffmpeg/*',
    'nodes/sink-push',
    'nodes/sink-recording',
    'nodes/sink-viewers',
    'nodes/source',
    'nodes/source-camera',
    'nodes/source-folder',
    'nodes/source-rate',
    'nodes/source-screen',
    'nodes/source-video',
    'security/login-deadline',
  ],
];
