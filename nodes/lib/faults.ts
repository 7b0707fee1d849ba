import type { Node } from 'node-red';
import { onInput, withCode } from './input';
import type { Status } from './status';

/**
 * Faults that concern every frame alike, such as an engine that failed. At 24 frames a second they must not flood the
 * log and the Catch nodes: each is reported with one message, until something works again or another fault comes.
 */
export class Faults {
  private standing: (Error & { code: string }) | undefined;

  /** The fault that was reported last, unless something worked since. */
  get current(): Error | undefined {
    return this.standing;
  }

  /** @throws the error, unless it is the one that was reported last */
  report(error: Error & { code: string }): void {
    const isKnown = this.standing?.code === error.code && this.standing.message === error.message;
    this.standing = error;
    if (!isKnown) throw error;
  }

  /** What comes next is news again. */
  clear(): void {
    this.standing = undefined;
  }
}

/** A node whose dialog has a value that cannot work: it says so when the flow starts and once for the messages. */
export function standStill(node: Node, status: Status, thrown: unknown): void {
  const error = withCode(thrown);
  const faults = new Faults();
  status.error(error);
  node.error(error);
  onInput(node, () => faults.report(error));
}
