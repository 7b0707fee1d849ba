/** Runs jobs one after the other, in order. */
export class SerialQueue {
  private tail: Promise<unknown> = Promise.resolve();

  /** Settles as the job does; a failed job does not stop the next one. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.tail.then(job);
    this.tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Resolves when all jobs that were queued at the call have ended. */
  async idle(): Promise<void> {
    await this.tail;
  }
}
