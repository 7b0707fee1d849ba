/** Loaded into Node-RED's process before anything else, to tell the parent how late its event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });

process.on('message', (message) => {
  if (message === 'begin') {
    delay.reset();
    delay.enable();
  } else if (message === 'report') {
    // The histogram counts the whole interval between two ticks of its timer.
    const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
    process.send?.({ p50Ms: ms(delay.percentile(50)), p99Ms: ms(delay.percentile(99)), maxMs: ms(delay.max) });
  }
});
process.channel?.unref();
