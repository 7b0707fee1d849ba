/** A waiting place for one: what is put in takes the place of what waits there. */
export class Mailbox<T> {
  private waiting: T | undefined;

  get full(): boolean {
    return this.waiting !== undefined;
  }

  /** @returns what had to leave for the new item */
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
