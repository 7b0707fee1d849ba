/**
 * Test files, as in test/, that run beside the first part of all others, which are the pages in a browser. None of them measures speeds by a clock,
 * or runs engines that paint without end: those and the pages would starve each other.
 */
export const SIDE_LANES = [
  {
    // Clocks and cameras run, and ffmpeg takes or sends a stream at its own speed: much time, and little of a processor.
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
    // What only computes, with the time of a processor that the pages and their engines leave, which have nice values of 0 and 5.
    nice: 10,
    args: ['--timeout', '360000'],
    files: ['engine/laws', 'engine/control-laws', 'engine/diffusion/*', 'engine/model/adapters/*', 'security/model-folders', 'cli/*'],
  },
];
