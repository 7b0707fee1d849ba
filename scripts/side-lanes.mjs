/**
 * Test files, named as in test/, that run beside the first part of all others, which are the pages in a browser. They wait for clocks,
 * cameras and streams of ffmpeg at their own speed, which takes much time but little CPU. None of them measures speed by a clock or runs
 * engines that render without end: those and the pages would starve each other.
 */
export const SIDE_LANES = [
  [
    'nodes/hours',
    'nodes/sink-push',
    'nodes/sink-recording',
    'nodes/sink-viewers',
    'nodes/source',
    'nodes/source-camera',
    'nodes/source-rate',
    'security/login-deadline',
  ],
];
