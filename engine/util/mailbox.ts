/** A mailbox for one item: a new item replaces the one that waits. */
export class Mailbox<T> {
  private waiting: T | undefined;

  get full(): boolean {
    return this.waiting !== undefined;
  }

  /** @returns the item that was replaced */
  put(item: T): T | undefined {
    const replaced = this.waiting;
    this.waiting = item;
    return replaced;
  }

  take(): T | undefined {
    const item = this.waiting;
    this.waiting = undefined;
    return item;
  }
}
