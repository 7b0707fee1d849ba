/**
 * Test files, named as in test/, that run beside the first part of all others, which are the pages in a browser. None of them
 * measures speed by a clock or runs engines that render without end: those and the pages would starve each other.
 */
export const SIDE_LANES = [
  {
    // These wait for clocks, cameras and streams of ffmpeg at their own speed, which takes much time but little CPU.
    files: [
      'nodes/hours',
      'nodes/sink-push',
      'nodes/sink-recording',
      'nodes/sink-viewers',
      'nodes/source',
      'nodes/source-camera',
      'nodes/source-rate',
    ],
  },
  {
    // These only compute, with the CPU time that the pages and their engines (nice values 0 and 5) leave.
    nice: 10,
    args: ['--timeout', '360000'],
    files: ['engine/laws', 'engine/control-laws', 'engine/diffusion/*', 'engine/model/adapters/*', 'security/model-folders', 'cli/*'],
  },
];
