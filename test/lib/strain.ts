import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

const STEP_MS = 50;

/**
 * How much longer things may take on this machine than on an idle one: 1 while there is a core for every program that wants
 * one. For bounds that belong to the product and not to the machine.
 */
export function strain(): number {
  return Math.max(1, loadavg()[0] / availableParallelism());
}

/**
 * CPU time that this process has taken, ms. For bounds on computing: unlike a clock it does not count the work of other
 * programs meanwhile.
 */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * CPU time that the event loop's thread has taken, ms, without the threads that decode and compute; the clock's time where
 * the system does not report it.
 */
export function loopProcessorMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.now();
  }
}

/**
 * Time as this process's event loop sees it: while the loop stands still because the machine is busy, it counts one step.
 * For bounds on how long the product waits, instead of a clock.
 */
export class LoopClock {
  private steps = 0;
  private readonly timer = setInterval(() => this.steps++, STEP_MS).unref();

  /** Time since it was created, ms. */
  get ms(): number {
    return this.steps * STEP_MS;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
