/** A watch over one request: each of its waits has a deadline, and ends when the request does. */
export class Watch {
  /** The request's signal; aborted when the request ends. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly ended: Promise<never>;

  /**
   * @param silenceMs the longest wait
   * @param parent ends the request from outside
   */
  constructor(
    private readonly silenceMs: number,
    parent?: AbortSignal,
  ) {
    this.signal = parent ? AbortSignal.any([parent, this.controller.signal]) : this.controller.signal;
    this.ended = new Promise((_, reject) => this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true }));
    // The rejection is handled here, since nobody may be waiting when the request ends.
    this.ended.catch(() => undefined);
  }

  /**
   * Rejects as the step does, or at the deadline, or at once when the request ends: a read that is aborted at the moment when
   * its answer begins would otherwise wait for ever (seen in Node 20.20, once in a hundred times).
   */
  async within<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.controller.abort(new Error(`sent nothing for ${this.silenceMs / 1000} s`)), this.silenceMs);
    try {
      return await Promise.race([step, this.ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection, if it is still open. */
  end(): void {
    this.controller.abort();
  }
}
