import { getPriority, setPriority } from 'node:os';

/**
 * Lets other programs go before this process, or this thread where the system counts threads. Where it stands back further already, since all of
 * Node-RED does, it stays there: only an administrator's processes may come forward again.
 *
 * @param nice a nice value, from 0 to 19
 */
export function standBack(nice: number): void {
  if (getPriority() < nice) setPriority(nice);
}
