import type { Node } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { onInput, withCode, type InputHandler } from './input';
import type { Status } from './status';

/** A fault that stayed away for this long is reported when it comes again, ms. */
const FORGOTTEN_AFTER = 60_000;
/** How many different faults are remembered. */
const REMEMBERED = 32;

/**
 * Faults that may come with every frame, such as an engine that failed or a camera that is away. They must flood neither
 * the log nor the Catch nodes, whether it is one for a whole night, two in turn, or one that comes and goes: each is
 * told once, and again when it has stayed away for a minute.
 */
export class ErrorThrottle {
  private standing: (Error & { code: string }) | undefined;
  /** When each was last met. */
  private readonly met = new LruCache<number>(REMEMBERED);

  /** The last reported fault, unless something has worked since. */
  get current(): Error | undefined {
    return this.standing;
  }

  /** @throws the error, if it is news */
  report(error: Error & { code: string }): void {
    if (this.isNews(error)) throw error;
  }

  /** Notes a fault. Returns whether it is to be reported. */
  isNews(error: Error & { code: string }, now = performance.now()): boolean {
    this.standing = error;
    // Addresses and amounts of memory differ from time to time.
    const fault = `${error.code} ${error.message.replace(/0x[0-9a-f]+|\d+(?= MiB)/gi, '#')}`;
    const before = this.met.get(fault);
    this.met.set(fault, now);
    return before === undefined || now - before > FORGOTTEN_AFTER;
  }

  /** Something works: no fault stands. */
  clear(): void {
    this.standing = undefined;
  }
}

/**
 * A node that cannot work, because of a value in its dialog or of a name that another one has: it says so when the flow
 * starts and once for the messages. Returns what lets it work after all: from then on messages are handled so.
 */
export function disableNode(node: Node, status: Status, thrown: unknown): (handle: InputHandler) => void {
  const error = withCode(thrown);
  const faults = new ErrorThrottle();
  let handle: InputHandler = () => faults.report(error);
  status.error(error);
  node.error(error);
  onInput(node, (msg, send) => handle(msg, send));
  return (work) => {
    handle = work;
  };
}
