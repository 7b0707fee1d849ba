/** Tolerance for pictures that arrive unevenly, as over a network, ms. */
const SLACK_MS = 200;

/**
 * Lets the pictures of a live source through at no more than a given rate, by their arrival on a monotonic clock. The source's
 * own timestamps do not matter.
 */
export class ArrivalPace {
  private readonly intervalMs: number;
  private dueAt: number | undefined;

  /** @param fps pictures a second */
  constructor(fps: number) {
    this.intervalMs = 1000 / fps;
  }

  /** Whether the picture that arrives at this moment (ms) passes. */
  takes(now = performance.now()): boolean {
    // A source at exactly the rate is sometimes early and sometimes late: a tolerance of half an interval at first, and of past delays later, lets all its pictures through.
    if (this.dueAt === undefined) {
      this.dueAt = now + this.intervalMs / 2;
      return true;
    }
    if (now < this.dueAt) return false;
    // Counted from the due time and not from now, or 25 of 30 per second would become 15.
    const slack = Math.max(this.intervalMs, SLACK_MS);
    this.dueAt = Math.max(this.dueAt, now - slack) + this.intervalMs;
    return true;
  }
}
