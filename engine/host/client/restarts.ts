/** When a process that ended is started again, ms. */
export interface RestartTimes {
  /** After the first end; doubles with every further one. */
  first: number;
  last: number;
  /** A process that was ready for this long was sound: its end starts the delays anew. */
  sound: number;
  /** Between tries of what only a changed file or setting can mend: a disk that is mounted, a model that arrives. */
  hopeless: number;
}

const TIMES: RestartTimes = { first: 250, last: 30_000, sound: 60_000, hopeless: 60_000 };

/** The delays between a process's ends and its new starts: short at first, then longer, never in step with others. */
export class Restarts {
  private readonly times: RestartTimes;
  private inARow = 0;
  private total = 0;

  constructor(times: Partial<RestartTimes> = {}) {
    this.times = { ...TIMES, ...times };
  }

  /** Ends without a sound life between them, up to the last one. */
  get attempt(): number {
    return this.inARow;
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
    this.inARow = readyFor > this.times.sound ? 1 : this.inARow + 1;
    return jittered(Math.min(this.times.last, this.times.first * 2 ** (this.inARow - 1)));
  }

  /** The delay before the next try of what is unlikely to work, ms. */
  hopeless(): number {
    return jittered(this.times.hopeless);
  }
}

/** Many engines that lose the same graphics card must not all come back at the same moment. */
function jittered(ms: number): number {
  return Math.round(ms * (0.8 + 0.4 * Math.random()));
}
