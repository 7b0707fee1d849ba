import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { Channel } from '../util/channel';
import { childOptions } from '../util/child-options';
import { endWithParent } from '../util/orphan-guard';
import type { Effort, JobAnswer, JobName, JobOrder, JobParams, JobResult } from './codec-jobs';

/** The work of a process: pictures that take milliseconds, as many at once as libuv has threads, or slower ones, one by one. */
export type Work = 'light' | 'heavy';
const PLACES: Record<Work, number> = { light: 4, heavy: 1 };
/** An idle process that holds more memory than this is not kept, bytes. */
const MEMORY_KEPT = 400e6;
/** Nice values. Short work comes before the nets and after the flow, as the engine's process does; long work comes last. */
const PRIORITIES: Record<Work, number> = { light: 5, heavy: 19 };

/** A job under way. */
interface Job {
  /** Its share of the CPU time that the process has taken, ms. */
  effort: number;
}

/** Limits on a job's CPU time, ms. Wall-clock time would not do: on a busy machine a good picture takes long as well. */
export interface JobLimits {
  /** After this the job counts as slow: other jobs go elsewhere, and its process gets the lowest priority. */
  slow: number;
  /** After this its process is ended. */
  deadline: number;
  /** The limit in wall-clock time, whatever CPU time the job took. */
  clock: number;
}

/** The process ended because of another job: this one can be done elsewhere. */
export class LostJob extends Error {}

/** One run of a codec process. */
export class CodecProcess {
  private readonly child: ChildProcess;
  // A broken pipe is followed by 'exit', which settles everything.
  private readonly jobs = new Channel<JobOrder, Job>((request) => this.child.send(request, () => undefined));
  private isLast = false;
  private isReserved = false;
  private idle: NodeJS.Timeout | undefined;

  /**
   * @param idleMs how long the process waits without a job before it ends
   * @param onFree called whenever a place has become free, and when the process is gone
   */
  constructor(
    readonly work: Work,
    private readonly limits: JobLimits,
    private readonly idleMs: number,
    private readonly onFree: () => void,
  ) {
    this.child = fork(join(__dirname, 'codec-main.js'), [String(PRIORITIES[work])], {
      serialization: 'advanced',
      execArgv: childOptions(process.execArgv),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    endWithParent(this.child);
    this.child.on('message', (message: JobAnswer | Effort) => ('cpu' in message ? this.weigh(message.cpu) : this.hear(message)));
    this.child.once('error', (error) => this.end(`cannot be started: ${error.message}`, false));
    this.child.once('exit', (code, signal) => this.end(`ended with ${signal ?? `code ${code}`}`, true));
    // A process that has nothing else to do may end, and this one ends with it.
    this.child.unref();
    this.child.channel?.unref();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get gone(): boolean {
    return this.jobs.closed !== undefined;
  }

  get load(): number {
    return this.jobs.size;
  }

  /** Whether it takes another job. */
  get isFree(): boolean {
    return !this.gone && !this.isLast && !this.isReserved && this.jobs.size < PLACES[this.work];
  }

  /** The CPU time of the job that has taken the most, ms. */
  get slowest(): number {
    return Math.max(0, ...this.jobs.notes.map(({ effort }) => effort));
  }

  /**
   * Rejects with the codec's error, EBADFRAME when the job takes too long or ends the process, or {@link LostJob}.
   * @param alone whether no other job may run beside it
   */
  run<N extends JobName>(name: N, params: JobParams<N>, alone = false): Promise<JobResult<N>> {
    this.isReserved = alone;
    clearTimeout(this.idle);
    this.child.channel?.ref();
    const job = { effort: 0 };
    // An answer that came while this process itself was busy is read before the job is given up.
    const limit = setTimeout(() => setImmediate(() => this.giveUp(job)), this.limits.clock);
    return this.jobs.request({ name, params }, job).finally(() => clearTimeout(limit)) as Promise<JobResult<N>>;
  }

  /** Gives up a job, by default the slowest, and ends the process. */
  giveUp(job = this.jobs.notes.find(({ effort }) => effort === this.slowest)): void {
    if (!job || !this.jobs.notes.includes(job)) return;
    const seconds = (job.effort / 1000).toFixed(1);
    const error = new EngineError('EBADFRAME', `the picture was given up: it was not decoded after ${seconds} s of processor time`);
    this.jobs.reject([job], error);
    this.kill();
  }

  kill(): void {
    this.child.kill('SIGKILL');
    this.end('was ended', false);
  }

  private hear(answer: JobAnswer): void {
    this.jobs.hear(answer);
    if (this.jobs.size === 0) this.rest(answer.memory);
    this.onFree();
  }

  private rest(memory: number): void {
    if (this.isLast || memory > MEMORY_KEPT) return this.kill();
    this.isReserved = false;
    this.child.channel?.unref();
    this.idle = setTimeout(() => this.kill(), this.idleMs).unref();
  }

  /** Which of several jobs took the time is unknown, so each gets an equal share. */
  private weigh(spent: number): void {
    for (const job of this.jobs.notes) job.effort += spent / this.jobs.size;
    if (this.slowest > this.limits.deadline) this.giveUp();
    else if (this.slowest > this.limits.slow && !this.isLast) this.stepBack();
  }

  /** Long work must not hold up short work. A priority cannot be raised again, so this process takes no more jobs. */
  private stepBack(): void {
    this.isLast = true;
    this.onFree();
    for (const thread of threadsOf(this.child.pid)) {
      try {
        setPriority(thread, PRIORITIES.heavy);
      } catch {
        // The process has ended.
      }
    }
  }

  /** @param byItself whether a job may have crashed the process */
  private end(how: string, byItself: boolean): void {
    if (this.gone) return;
    clearTimeout(this.idle);
    // Which of several jobs caused it is unknown, so each is run again, alone.
    const isFound = byItself && this.jobs.size === 1;
    if (isFound)
      this.jobs.reject(this.jobs.notes, new EngineError('EBADFRAME', `the picture cannot be decoded: the codec's process ${how} at it`));
    this.jobs.close(new LostJob(how));
    this.onFree();
  }
}

/** On Linux a priority belongs to a thread, elsewhere to a process. */
function threadsOf(pid = 0): number[] {
  if (process.platform !== 'linux') return [pid];
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}
