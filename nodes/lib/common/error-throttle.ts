import type { Node } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { onInput, withCode, type InputHandler } from './input';
import type { Status } from './status';

/** A fault that stayed away for this long is reported when it comes again, ms. */
const FORGOTTEN_AFTER = 60_000;
/** The number of different faults that are remembered. */
const REMEMBERED = 32;

/**
 * Limits faults that may occur with every frame, such as a failed engine or an unplugged camera. They must flood neither the
 * log nor the Catch nodes, whether one lasts all night, two alternate, or one comes and goes: each is reported once, and
 * again after it has been absent for a minute.
 */
export class ErrorThrottle {
  private standing: (Error & { code: string }) | undefined;
  /** When each fault last occurred. */
  private readonly met = new LruCache<number>(REMEMBERED);

  /** The last reported fault, unless something has worked since. */
  get current(): Error | undefined {
    return this.standing;
  }

  /** @throws the error, if it must be reported */
  report(error: Error & { code: string }): void {
    if (this.isNews(error)) throw error;
  }

  /** Notes a fault. Returns whether it must be reported. */
  isNews(error: Error & { code: string }, now = performance.now()): boolean {
    this.standing = error;
    // Memory addresses and amounts differ between occurrences of the same fault.
    const fault = `${error.code} ${error.message.replace(/0x[0-9a-f]+|\d+(?= MiB)/gi, '#')}`;
    const before = this.met.get(fault);
    this.met.set(fault, now);
    return before === undefined || now - before > FORGOTTEN_AFTER;
  }

  /** Something has worked, so there is no current fault. */
  clear(): void {
    this.standing = undefined;
  }
}

/**
 * Disables a node that cannot work because of a value in its dialog or a name that another node has: it reports the error when
 * the flow starts, and once for its messages. Returns a function that enables it with a handler of messages.
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
