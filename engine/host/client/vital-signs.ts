import { EngineError } from '../../errors';

/** Limits beyond which an engine process counts as broken. */
export interface Limits {
  /** The longest time without any message, ms. */
  silence: number;
  /** The longest time without a finished run or other progress while an answer is pending, ms. */
  stall: number;
  /** The same while the process loads a model or opens a stream, which may compile a whole net, ms. */
  loading: number;
  /** The most resident memory, bytes. */
  memory: number;
}

/** What the parent is waiting for. */
export type Owed = 'nothing' | 'loading' | 'answers';

/**
 * A process's health, judged by its messages. Time is counted in checks and not by the clock: a parent that was suspended or
 * busy must not mistake a child for dead whose messages it has not read yet.
 */
export class VitalSigns {
  private silent = 0;
  private stalled = 0;
  private memory = 0;
  private runs = 0;
  private runningMs = 0;

  /** @param interval the time from one {@link check} to the next, ms */
  constructor(
    private readonly limits: Limits,
    private readonly interval: number,
  ) {}

  /** Resident memory at the last heartbeat, bytes; 0 before the first. */
  get memoryBytes(): number {
    return this.memory;
  }

  /** The process sent a message. */
  heard(): void {
    this.silent = 0;
  }

  /** The process made progress towards an answer. */
  worked(): void {
    this.stalled = 0;
  }

  /** @param heartbeat resident memory in bytes, the number of finished runs of nets, and how long the oldest run under way has taken, ms */
  heartbeat({ memory, runs, runningMs }: { memory: number; runs: number; runningMs: number }): void {
    this.memory = memory;
    this.runningMs = runningMs;
    if (runs !== this.runs) this.worked();
    this.runs = runs;
  }

  /** Resident memory as measured by the parent, bytes: a process with a blocked event loop does not report it. */
  weighed(memory: number): void {
    this.memory = memory;
  }

  /** Whether nothing was heard for two checks. */
  get isQuiet(): boolean {
    return this.silent > 2;
  }

  /** The reason to end the process if it takes too much memory. */
  get tooHeavy(): EngineError | undefined {
    const { memory } = this.limits;
    if (this.memory <= memory) return undefined;
    return broken(
      'EMEMORY',
      `took ${megabytes(this.memory)} of memory, over its limit of ${megabytes(memory)}: raise the limit, or take a smaller model or picture`,
    );
  }

  /** Called at every interval. @returns the reason to end the process, if there is one */
  check(owed: Owed): EngineError | undefined {
    this.silent++;
    this.stalled = owed === 'nothing' ? 0 : this.stalled + 1;
    const { silence, stall, loading } = this.limits;
    const { tooHeavy } = this;
    if (tooHeavy) return tooHeavy;
    const isLoading = owed === 'loading';
    if (owed !== 'nothing' && this.silent * this.interval > (isLoading ? loading : silence)) {
      return broken('ETIMEOUT', `gave no sign of life for ${seconds(isLoading ? loading : silence)} and was ended`);
    }
    // One net may hang while others still finish runs.
    if (owed !== 'nothing' && Math.max(this.stalled * this.interval, this.runningMs) > (isLoading ? loading : stall)) {
      return broken('ETIMEOUT', `made no progress for ${seconds(isLoading ? loading : stall)} and was ended: a net or its driver hangs`);
    }
    return undefined;
  }
}

function broken(code: 'EMEMORY' | 'ETIMEOUT', what: string): EngineError {
  return new EngineError(code, `the engine process ${what}`);
}

const seconds = (ms: number): string => `${ms / 1000} s`;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;
