import { EngineError } from '../../errors';

/** Limits beyond which an engine process counts as broken. */
export interface Limits {
  /** Without any message, ms. */
  silence: number;
  /** Without a finished run or any other sign of work while it owes an answer, ms. */
  stall: number;
  /** The same while it loads a model or opens a stream, which may compile a whole net, ms. */
  loading: number;
  /** Resident memory, bytes. */
  memory: number;
}

/** What the parent is waiting for. */
export type Owed = 'nothing' | 'loading' | 'answers';

/**
 * What a process's messages say of its health. Time is counted in looks, not by the clock: a parent that was asleep or
 * busy itself must not take a child for dead whose messages it has not read yet.
 */
export class VitalSigns {
  private silent = 0;
  private stalled = 0;
  private memory = 0;
  private runs = 0;
  private runningMs = 0;

  /** @param interval from one {@link look} to the next, ms */
  constructor(
    private readonly limits: Limits,
    private readonly interval: number,
  ) {}

  /** Resident memory at the last heartbeat, bytes; 0 before the first. */
  get memoryBytes(): number {
    return this.memory;
  }

  /** Something came from the process. */
  heard(): void {
    this.silent = 0;
  }

  /** It made progress towards an answer. */
  worked(): void {
    this.stalled = 0;
  }

  /** @param heartbeat resident memory in bytes, runs of nets that have ended, how long the oldest one under way has taken in ms */
  heartbeat({ memory, runs, runningMs }: { memory: number; runs: number; runningMs: number }): void {
    this.memory = memory;
    this.runningMs = runningMs;
    if (runs !== this.runs) this.worked();
    this.runs = runs;
  }

  /** Resident memory as its parent has read it, bytes: a process whose event loop is held up does not say it. */
  weighed(memory: number): void {
    this.memory = memory;
  }

  /** Whether nothing was heard for two looks. */
  get isQuiet(): boolean {
    return this.silent > 2;
  }

  /** Why the process has to be ended, if it takes too much memory. */
  get tooHeavy(): EngineError | undefined {
    const { memory } = this.limits;
    if (this.memory <= memory) return undefined;
    return broken(
      'EMEMORY',
      `took ${megabytes(this.memory)} of memory, over its limit of ${megabytes(memory)}: raise the limit, or take a smaller model or picture`,
    );
  }

  /** Called at every interval. @returns why the process has to be ended, if it has to */
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
    // One net may hang while others go on.
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
