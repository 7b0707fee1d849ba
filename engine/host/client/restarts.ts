import { Backoff, type BackoffTimes, jittered } from '../../util/backoff';

/** When a process that ended is started again, ms. */
export interface RestartTimes extends BackoffTimes {
  /** A process that was ready for this long was healthy, and its end resets the delays, ms. */
  sound: number;
  /** The pause between tries where only a changed file or setting can help, such as a mounted disk or a downloaded model, ms. */
  hopeless: number;
}

const TIMES: RestartTimes = { first: 250, last: 30_000, sound: 60_000, hopeless: 60_000 };

/** The delays before a process is started again: short at first, then longer, with jitter so that processes do not start in step. */
export class Restarts {
  private readonly times: RestartTimes;
  private readonly backoff: Backoff;
  private total = 0;

  constructor(times: Partial<RestartTimes> = {}) {
    this.times = { ...TIMES, ...times };
    this.backoff = new Backoff(this.times);
  }

  /** The number of ends in a row without a healthy run between them. */
  get attempt(): number {
    return this.backoff.failures;
  }

  /** The number of all ends. */
  get count(): number {
    return this.total;
  }

  /**
   * Counts the end of a process.
   *
   * @param readyFor how long it had been ready, ms
   * @returns the delay before the next start, ms
   */
  ended(readyFor: number): number {
    this.total++;
    if (readyFor > this.times.sound) this.backoff.reset();
    return jittered(this.backoff.next());
  }

  /** The delay before the next try where only a changed file or setting can help, ms. */
  hopeless(): number {
    return jittered(this.times.hopeless);
  }
}
