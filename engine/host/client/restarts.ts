import { Backoff, type BackoffTimes, jittered } from '../../util/backoff';

/** When a process that ended is started again, ms. */
export interface RestartTimes extends BackoffTimes {
  /** A process that was ready for this long was healthy: its end resets the delays. */
  sound: number;
  /** Pause between tries where only a changed file or setting can help: a disk that is mounted, a model that arrives. */
  hopeless: number;
}

const TIMES: RestartTimes = { first: 250, last: 30_000, sound: 60_000, hopeless: 60_000 };

/** The delays between a process's ends and its new starts: short at first, then longer, never in step with others. */
export class Restarts {
  private readonly times: RestartTimes;
  private readonly backoff: Backoff;
  private total = 0;

  constructor(times: Partial<RestartTimes> = {}) {
    this.times = { ...TIMES, ...times };
    this.backoff = new Backoff(this.times);
  }

  /** Ends without a healthy run between them, up to the last one. */
  get attempt(): number {
    return this.backoff.failures;
  }

  /** Ends altogether. */
  get count(): number {
    return this.total;
  }

  /**
   * A process has ended.
   * @param readyFor how long it had been ready, ms
   * @returns the delay before the next start, ms
   */
  ended(readyFor: number): number {
    this.total++;
    if (readyFor > this.times.sound) this.backoff.reset();
    return jittered(this.backoff.next());
  }

  /** The delay before the next try of what is unlikely to work, ms. */
  hopeless(): number {
    return jittered(this.times.hopeless);
  }
}
