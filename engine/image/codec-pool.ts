import { EngineError } from '../errors';
import type { RawImage } from '../types';
import type { Fit, JpegOptions } from './codec';
import type { JobName, JobParams, JobResult } from './codec-jobs';
import type { Background } from './control/background';
import type { ControlMap, ControlMapJob, RoomJob } from './control/jobs';
import { CodecProcess, LostJob, type JobLimits, type Work } from './codec-process';
import { isLight, type Picture } from './picture';

export interface CodecPoolOptions extends JobLimits {
  /** The most processes, for light and for heavy work each. */
  processes: number;
  /** The same as `slow`, for heavy work, ms. */
  slowIfHeavy: number;
  /** A process that has been idle for this long ends, ms. */
  idle: number;
  /** While the codec is missing, it is looked for again after this time, ms. */
  retry: number;
}

const DEFAULTS: CodecPoolOptions = {
  slow: 500,
  slowIfHeavy: 2000,
  deadline: 8000,
  clock: 30_000,
  processes: 2,
  idle: 30_000,
  retry: 30_000,
};
/** How often a job is started again when its process ended because of another job. */
const ATTEMPTS = 4;
const LOOK_MS = 100;

/**
 * The picture codec in processes of its own. A hostile file may keep its decoder busy or crash it: no call can interrupt a
 * decoder, but its process can be ended. Pictures that take more than milliseconds go to a process with the lowest CPU
 * priority. When a job is slow all the same, another process takes the next ones, and the slow process is ended at its
 * deadline, or as soon as its place is needed.
 */
export class CodecPool {
  private readonly options: CodecPoolOptions;
  private processes: CodecProcess[] = [];
  private waiting: (() => void)[] = [];
  private missing: { error: EngineError; until: number } | undefined;

  constructor(options: Partial<CodecPoolOptions> = {}) {
    this.options = { ...DEFAULTS, ...options };
  }

  /** ENOCODEC while no picture can be read or written. */
  get fault(): EngineError | undefined {
    return this.missing?.error;
  }

  get pids(): number[] {
    return this.processes.flatMap(({ pid }) => pid ?? []);
  }

  /** Decodes as the codec's `decode` does. All of these also reject with EBADFRAME when the picture takes too long, and with ENOCODEC. */
  decode(picture: Picture, width: number, height: number, fit?: Fit): Promise<RawImage> {
    return this.run('decode', { picture, width, height, ...(fit && { fit }) });
  }

  /** Converts any picture to JPEG. */
  async toJpeg(picture: Picture, options: JpegOptions): Promise<Buffer> {
    return bufferOf(await this.run('jpeg', { picture, ...options }));
  }

  /** Draws an SVG of this package as JPEG. */
  async drawSvg(svg: string, quality: number): Promise<Buffer> {
    return bufferOf(await this.run('svg', { svg, quality }));
  }

  /** A picture reduced to size × size (default 32): interleaved RGB in -1..1. */
  thumbnail(picture: Picture, size?: number): Promise<Float32Array> {
    return this.run('thumbnail', { picture, size });
  }

  /** The control map of a picture. */
  async drawControlMap(job: ControlMapJob): Promise<ControlMap> {
    const map = await this.run('controlMap', job);
    return { ...map, data: bufferOf(map.data) };
  }

  /** Learns what stays the same in pictures of a room. */
  learnRoom(job: RoomJob): Promise<Background> {
    return this.run('room', job);
  }

  /** Ends all processes, and forgets that the codec was missing; later jobs start them again. */
  close(): void {
    this.missing = undefined;
    for (const process of this.processes) process.kill();
  }

  private async run<N extends JobName>(name: N, params: JobParams<N>): Promise<JobResult<N>> {
    const work: Work = picturesOf(params).every(isLight) ? 'light' : 'heavy';
    for (let attempt = 1; ; ) {
      if (this.missing && performance.now() < this.missing.until) throw this.missing.error;
      const alone = attempt > 1;
      const process = this.find(work, alone);
      if (!process) {
        await this.change();
        continue;
      }
      try {
        const result = await process.run(name, params, alone);
        this.missing = undefined;
        return result;
      } catch (thrown) {
        if (!(thrown instanceof LostJob) || attempt++ === ATTEMPTS) throw this.judge(thrown, process);
      }
    }
  }

  private judge(thrown: unknown, process: CodecProcess): EngineError {
    const error =
      thrown instanceof LostJob ? new EngineError('EHOST', `the codec's process ${thrown.message}`) : EngineError.from(thrown, 'EHOST');
    if (error.code !== 'ENOCODEC') return error;
    this.missing = { error, until: performance.now() + this.options.retry };
    // A process looks for the codec once; the next one looks again.
    process.kill();
    return error;
  }

  /**
   * A process with a free place; undefined when there is none at the moment.
   * @param alone whether it must have no other job
   */
  private find(work: Work, alone: boolean): CodecProcess | undefined {
    const slow = work === 'heavy' ? this.options.slowIfHeavy : this.options.slow;
    this.processes = this.processes.filter(({ gone }) => !gone);
    const ours = this.processes.filter((process) => process.work === work);
    const [free] = ours.filter(({ isFree, load }) => isFree && (!alone || load === 0)).sort((a, b) => a.load - b.load);
    if (free) return free;
    const [slowest] = ours.sort((a, b) => b.slowest - a.slowest);
    const isFull = ours.length >= this.options.processes;
    if (isFull && slowest.slowest <= slow) return undefined;
    if (isFull) {
      slowest.giveUp();
      this.processes = this.processes.filter((process) => process !== slowest);
    }
    const process = new CodecProcess(work, { ...this.options, slow }, this.options.idle, () => this.freed());
    this.processes.push(process);
    return process;
  }

  /** Resolves when a place may be free. */
  private change(): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, LOOK_MS);
      this.waiting.push(() => {
        clearTimeout(limit);
        resolve();
      });
    });
  }

  private freed(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }
}

/** The codec for this process. Its processes start when they are needed. */
export const codecPool = new CodecPool();

/** Control maps are made in processes of their own, so that their computing does not hold up other pictures. */
export const controlPool = new CodecPool();

function picturesOf(params: JobParams<JobName>): Picture[] {
  if ('pictures' in params) return params.pictures;
  return 'picture' in params ? [params.picture] : [];
}

/** A pipe delivers a Uint8Array or a Buffer. */
function bufferOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
