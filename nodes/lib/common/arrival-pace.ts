/** Tolerance for pictures that arrive unevenly, as over a network, ms. */
const SLACK_MS = 200;

/**
 * Lets the pictures of a live source through at no more than a rate, by when they arrive on the clock that nobody sets:
 * the smaller of the rate and the source's own. What time the source says it is does not matter.
 */
export class ArrivalPace {
  private readonly intervalMs: number;
  private dueAt: number | undefined;

  /** @param fps pictures a second */
  constructor(fps: number) {
    this.intervalMs = 1000 / fps;
  }

  /** Whether the picture that arrives at this moment (ms) is to be sent. */
  takes(now = performance.now()): boolean {
    // A source as fast as the rate is now early and now late: half an interval at first, and what it was late later on, let it through.
    if (this.dueAt === undefined) {
      this.dueAt = now + this.intervalMs / 2;
      return true;
    }
    if (now < this.dueAt) return false;
    // Not counted from now: of 30 a second, 25 are then 25 and not 15.
    const slack = Math.max(this.intervalMs, SLACK_MS);
    this.dueAt = Math.max(this.dueAt, now - slack) + this.intervalMs;
    return true;
  }
}
