export interface BackoffTimes {
  /** The pause after the first failure, ms; it doubles with every further one. */
  first: number;
  /** The longest pause, ms. */
  last: number;
}

/**
 * The pauses between retries: short at first, then longer, until a try succeeds.
 *
 * ```ts
 * const backoff = new Backoff({ first: 1000, last: 30_000 });
 * backoff.next(); // 1000
 * backoff.next(); // 2000
 * backoff.reset();
 * backoff.next(); // 1000
 * ```
 */
export class Backoff {
  private failed = 0;

  constructor(private readonly times: BackoffTimes) {}

  /** Failures in a row, up to the last one. */
  get failures(): number {
    return this.failed;
  }

  /** Counts a failure. @returns the pause before the next try, ms */
  next(): number {
    return Math.min(this.times.last, this.times.first * 2 ** this.failed++);
  }

  /** Called after a success: the pauses start over. */
  reset(): void {
    this.failed = 0;
  }
}

/** A pause changed at random by up to a fifth, so that clients of the same server do not all return at the same moment. */
export function jittered(ms: number): number {
  return Math.round(ms * (0.8 + 0.4 * Math.random()));
}
