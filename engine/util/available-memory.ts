import { totalmem } from 'node:os';

/** Of the machine, for one engine without a limit of its own. */
const SHARE = 0.75;

/** How much memory an engine may take that was told no limit, bytes: three quarters of the machine, or of what its container may take. */
export function availableMemory(): number {
  const total = totalmem();
  // 0 or absurdly large where nothing limits the process.
  const constrained = process.constrainedMemory?.() ?? 0;
  return SHARE * (constrained > 0 ? Math.min(total, constrained) : total);
}
