/**
 * Calls a job at a steady rate. The beat is counted from the start, so it does not drift; a beat that falls due while
 * the job still runs is left out, never made up for.
 */
export class Pacer {
  private readonly startedAt = performance.now();
  private timer: NodeJS.Timeout;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();

  /**
   * @param intervalMs milliseconds from beat to beat
   * @param job gets the milliseconds since the start; must not reject
   */
  constructor(
    private readonly intervalMs: number,
    private readonly job: (elapsedMs: number) => Promise<void>,
  ) {
    this.timer = setTimeout(() => this.beat(), 0);
  }

  /** Resolves when the job that runs at the moment has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private beat(): void {
    this.running = this.job(performance.now() - this.startedAt).then(() => {
      if (this.stopped) return;
      const elapsed = performance.now() - this.startedAt;
      // Timers fire up to a millisecond early: without the tolerance, such a beat would be counted twice.
      const nextBeat = Math.floor((elapsed + 1) / this.intervalMs) + 1;
      this.timer = setTimeout(() => this.beat(), nextBeat * this.intervalMs - elapsed);
    });
  }
}
