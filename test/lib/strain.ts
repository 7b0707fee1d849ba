import { availableParallelism, loadavg } from 'node:os';

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
