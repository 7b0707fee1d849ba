import { readFileSync } from 'node:fs';
import { PATIENCE, until } from './until';

/** Whether there is a process of this number, though it may have ended and wait for its parent to notice. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Whether a process runs: one that has ended does not, whether its parent has noticed or not. Of Linux alone. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export const gone = (pid: number): Promise<void> =>
  until(
    () => !isRunning(pid),
    PATIENCE,
    () => `process ${pid} is still there`,
  );
