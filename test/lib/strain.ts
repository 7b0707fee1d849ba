import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

const STEP_MS = 50;

/**
 * How much longer things may take on this machine than on one that has nothing else to do: 1 while there is a core for
 * every program that wants one. For bounds that belong to the product and not to the machine.
 */
export function strain(): number {
  return Math.max(1, loadavg()[0] / availableParallelism());
}

/**
 * Processor time that this process has taken, ms. For bounds on what is computed at once: unlike a clock it does not count
 * what other programs do meanwhile.
 */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Processor time that the thread of the event loop has taken, ms, without those beside it that decode and compute; where the system does not
 * say it, the clock's.
 */
export function loopProcessorMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.now();
  }
}

/**
 * Time as the event loop of this process has it: for as long as the loop stands still, since the machine is busy with something else, it counts
 * one step. For bounds on how long the product waits, in place of a clock.
 */
export class LoopClock {
  private steps = 0;
  private readonly timer = setInterval(() => this.steps++, STEP_MS).unref();

  /** Since it was made, ms. */
  get ms(): number {
    return this.steps * STEP_MS;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
