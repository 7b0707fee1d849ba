/** One request: each wait in it has a deadline, and ends with it. */
export class Watch {
  /** For the request; aborted at its end. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly ended: Promise<never>;

  /**
   * @param silenceMs the longest wait
   * @param parent ends it from outside
   */
  constructor(
    private readonly silenceMs: number,
    parent?: AbortSignal,
  ) {
    this.signal = parent ? AbortSignal.any([parent, this.controller.signal]) : this.controller.signal;
    this.ended = new Promise((_, reject) => this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true }));
    // Nobody may be waiting when it ends.
    this.ended.catch(() => undefined);
  }

  /**
   * Rejects as the step does, or when the deadline is over, or at once when the request ends: a read that is aborted in
   * the moment in which its answer begins would otherwise wait for ever (seen in Node 20.20, once in a hundred times).
   */
  async within<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.controller.abort(new Error(`sent nothing for ${this.silenceMs / 1000} s`)), this.silenceMs);
    try {
      return await Promise.race([step, this.ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection, if there still is one. */
  end(): void {
    this.controller.abort();
  }
}
