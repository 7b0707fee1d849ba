/** Works off jobs one after the other, in the order in which they came. */
export class SerialQueue {
  private tail: Promise<unknown> = Promise.resolve();

  /** Settles as the job does; a job that fails does not keep the next one from its turn. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.tail.then(job);
    this.tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Resolves when everything that was there at the call has ended. */
  async idle(): Promise<void> {
    await this.tail;
  }
}
