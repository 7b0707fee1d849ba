/**
 * Test files, named as in test/ and with * for any, that run beside all others: the pages and dialogs in a browser, then files that wait
 * for clocks, cameras and streams of ffmpeg at their own speed, which takes much time but little CPU.
 */
export const SIDE_LANES = [
  [
    'browser/*',
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
