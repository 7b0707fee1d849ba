/**
 * Test files, as in test/, whose time passes while other programs do something: cameras and clocks run, ffmpeg, command lines and whole Node-REDs
 * start. They run in a lane of their own, in this order, beside the first part of all others, which are the pages in a browser. A file belongs here
 * when it takes much time and little of a processor, and measures nothing that work beside it would change: no speeds, no memory of the machine.
 */
export const WAITING = [
  'nodes/hours',
  'nodes/sink-push',
  'nodes/sink-recording',
  'nodes/sink-viewers',
  'nodes/source',
  'nodes/source-camera',
  'nodes/source-rate',
  'cli/*',
  'flows/*',
];
