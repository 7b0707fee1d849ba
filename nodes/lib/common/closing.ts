import type { Node } from 'node-red';
import { withCode } from './input';

/** The longest wait for a node to close, ms; Node-RED itself waits 15 s. */
const LIMIT_MS = 5000;

/** Runs `work` when the node is stopped or removed, and lets Node-RED go on when that has ended, or after five seconds. */
export function onClose(node: Node, work: (removed: boolean) => void | Promise<void>, limitMs = LIMIT_MS): void {
  // Node-RED looks at the number of parameters: two means (removed, done).
  node.on('close', (removed: boolean, done: () => void) => {
    const limit = setTimeout(() => {
      node.warn(`closing took longer than ${limitMs} ms, going on without waiting`);
      finish();
    }, limitMs);
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      clearTimeout(limit);
      done();
    };
    attempt(work, removed)
      .catch((thrown: unknown) => node.error(withCode(thrown)))
      .finally(finish);
  });
}

async function attempt(work: (removed: boolean) => void | Promise<void>, removed: boolean): Promise<void> {
  await work(removed);
}
