import { totalmem } from 'node:os';

/** The share of the machine's memory for an engine without a limit of its own. */
const SHARE = 0.75;

/** The memory limit of an engine without one of its own, bytes: three quarters of the machine's or its container's memory. */
export function availableMemory(): number {
  const total = totalmem();
  // The value is 0 or absurdly large where the process has no limit.
  const constrained = process.constrainedMemory?.() ?? 0;
  return SHARE * (constrained > 0 ? Math.min(total, constrained) : total);
}
