export interface BackoffTimes {
  /** After the first failure, ms; doubles with every further one. */
  first: number;
  /** The longest pause, ms. */
  last: number;
}

/**
 * The pauses between tries of what fails: short at first, then longer, until something works.
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

  /** It has worked. */
  reset(): void {
    this.failed = 0;
  }
}

/** A pause by up to a fifth shorter or longer: those who lost the same thing must not all come back at the same moment. */
export function jittered(ms: number): number {
  return Math.round(ms * (0.8 + 0.4 * Math.random()));
}
