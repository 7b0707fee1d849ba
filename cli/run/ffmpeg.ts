import { execFile } from 'node:child_process';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { EngineError } from '../../engine/errors';
import { FfmpegProcess } from '../../engine/util/ffmpeg-process';

const execute = promisify(execFile);
/** ffmpeg is killed when it neither reads nor writes for this long, ms. */
const SILENCE_LIMIT_MS = 60_000;

/** An ffmpeg process that reads bytes, or writes them. */
export class Ffmpeg {
  private readonly process: FfmpegProcess;
  private readonly exited: Promise<string | undefined>;
  private stdout: Readable | undefined;
  private silent = false;

  /**
   * @param direction whether it reads or writes bytes
   * @param failure the beginning of errors, such as "film.mp4 cannot be read"
   */
  constructor(
    direction: 'in' | 'out',
    args: string[],
    private readonly failure: string,
  ) {
    const keep = (stdout: Readable): void => {
      this.stdout = stdout;
    };
    this.process = new FfmpegProcess('ffmpeg', ['-hide_banner', '-v', 'error', ...args], direction === 'out' ? { onOutput: keep } : {});
    this.exited = this.process.exited.then((exit) => {
      if (exit.spawnError) return notStarted('ffmpeg', exit.spawnError);
      return exit.code === 0 ? undefined : this.process.reasonOf(exit);
    });
  }

  /** Its output, chunk by chunk; rejects with ESOURCE when it fails. */
  async *output(): AsyncGenerator<Buffer> {
    if (!this.stdout) return;
    const chunks = this.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    try {
      for (;;) {
        const { done, value } = await this.within(chunks.next());
        if (done) break;
        yield value;
      }
    } catch (thrown) {
      if (!this.silent) throw thrown;
    }
    await this.end();
  }

  /** Its error output so far, even if it went on. */
  get complaints(): string {
    return this.process.words.text;
  }

  /** Writes bytes to it, and waits while its buffer is full. Rejects with ESOURCE when it has ended. */
  async write(bytes: Uint8Array): Promise<void> {
    const { stdin } = this.process;
    const taken = new Promise<boolean>((resolve) => stdin.write(bytes, (error) => resolve(!error)));
    if (!(await this.within(Promise.race([taken, this.exited.then(() => false)])))) await this.fail();
  }

  /** Ends its input and waits until it has finished. Rejects with ESOURCE when it failed. */
  async end(): Promise<void> {
    this.process.stdin.end();
    if ((await this.within(this.exited)) !== undefined || this.silent) await this.fail();
  }

  /** Kills it. */
  async kill(): Promise<void> {
    this.stdout?.destroy();
    this.process.kill();
    await this.exited;
  }

  private async fail(): Promise<never> {
    const reason = (await this.exited) ?? 'ffmpeg ended too early';
    throw new EngineError('ESOURCE', `${this.failure}: ${this.silent ? `ffmpeg did nothing for ${SILENCE_LIMIT_MS / 1000} s` : reason}`);
  }

  private async within<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.silent = true;
      this.process.kill();
    }, SILENCE_LIMIT_MS);
    try {
      return await step;
    } finally {
      clearTimeout(timer);
    }
  }
}

export interface VideoFacts {
  /** Frames per second as a fraction, such as 30000/1001. */
  rate: string;
  /** The approximate number of frames; undefined when the file does not tell. */
  frames: number | undefined;
}

/** Reads a video file's facts with ffprobe. Rejects with ESOURCE when it is not a video. */
export async function probeVideo(path: string): Promise<VideoFacts> {
  const entries = 'stream=avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration';
  const args = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', entries, '-of', 'json', `file:${path}`];
  const { stdout } = await execute('ffprobe', args, { timeout: SILENCE_LIMIT_MS }).catch(
    (thrown: NodeJS.ErrnoException & { stderr?: string }) => {
      const reason = thrown.syscall?.startsWith('spawn') ? notStarted('ffprobe', thrown) : thrown.stderr?.trim() || thrown.message;
      throw new EngineError('ESOURCE', `${path} cannot be read: ${reason}`, { cause: thrown });
    },
  );
  const { streams, format } = JSON.parse(stdout) as { streams?: Record<string, string>[]; format?: { duration?: string } };
  const [video] = streams ?? [];
  const rate = [video?.avg_frame_rate, video?.r_frame_rate].find((fraction) => perSecond(fraction) > 0);
  if (!rate) throw new EngineError('ESOURCE', `${path} has no moving picture`);
  const seconds = Number(video.duration ?? format?.duration);
  const frames = Number(video.nb_frames) || Math.round(seconds * perSecond(rate));
  return { rate, frames: frames > 0 ? frames : undefined };
}

function perSecond(fraction = ''): number {
  const [frames, seconds = 1] = fraction.split('/').map(Number);
  return frames / seconds || 0;
}

function notStarted(program: string, error: NodeJS.ErrnoException): string {
  return error.code === 'ENOENT'
    ? `${program} was not found on PATH; install ffmpeg (apt install ffmpeg, brew install ffmpeg)`
    : error.message;
}
