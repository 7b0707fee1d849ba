/**
 * Calls a job at a steady rate. Beats are counted from the start, so they do not drift; a beat that is due while the job is still
 * running is skipped and not made up for.
 */
export class Pacer {
  private readonly startedAt = performance.now();
  private timer: NodeJS.Timeout;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();

  /**
   * @param intervalMs the interval of beats, ms
   * @param job called with the time since the start, ms; must not reject
   */
  constructor(
    private readonly intervalMs: number,
    private readonly job: (elapsedMs: number) => Promise<void>,
  ) {
    this.timer = setTimeout(() => this.beat(), 0);
  }

  /** Resolves when the current job has ended. */
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
