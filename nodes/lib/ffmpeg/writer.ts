import { type FfmpegExit, FfmpegProcess, type FfmpegRun } from '../../../engine/util/ffmpeg-process';

const LOOK_MS = 250;
/** The capacity of a pipe that nobody reads. */
const PIPE_BYTES = 64 * 1024;

/** How an ffmpeg process ended, and why. */
export interface WriterExit extends FfmpegExit {
  reason: string;
}

/** Limits on the bytes that wait for a busy ffmpeg process. */
export interface WriterLimits {
  /** Bytes. */
  bytes: number;
  /** While a write has waited for longer than this, nothing is added, ms. */
  ms: number;
  /** The same while ffmpeg starts, ms. */
  startMs: number;
  /** After the end of its input, ffmpeg is killed when it makes no progress for this long, ms. */
  endMs: number;
}

const NO_LIMITS: WriterLimits = { bytes: 0, ms: Infinity, startMs: Infinity, endMs: 4000 };

/** An ffmpeg process that reads pictures from its standard input. */
export class FfmpegWriter {
  private readonly ffmpeg: FfmpegProcess;
  private readonly exited: Promise<WriterExit>;
  /** When each write that is still waiting was made. */
  private readonly waiting: number[] = [];
  private takenBytes = 0;
  private force: string | undefined;

  /**
   * @param program ffmpeg's path, or its name on PATH
   * @param onExit called once, however it ended
   * @param run options besides its input
   */
  constructor(
    program: string,
    args: string[],
    onExit: (exit: WriterExit) => void,
    private readonly limits = NO_LIMITS,
    run: FfmpegRun = {},
  ) {
    const ffmpeg = new FfmpegProcess(program, args, run);
    this.ffmpeg = ffmpeg;
    this.exited = ffmpeg.exited.then((how) => {
      const exit = { ...how, reason: this.force ?? ffmpeg.reasonOf(how) };
      onExit(exit);
      return exit;
    });
  }

  /** ffmpeg's process id. */
  get pid(): number | undefined {
    return this.ffmpeg.pid;
  }

  /** Writes the next bytes. @returns false when ffmpeg is too busy and they were left out */
  write(bytes: Buffer): boolean {
    const { stdin } = this.ffmpeg;
    if (this.isTooBusy(stdin.writableLength)) return false;
    this.waiting.push(performance.now());
    stdin.write(bytes, () => {
      this.waiting.shift();
      this.takenBytes += bytes.length;
    });
    return true;
  }

  /** How long the oldest write has waited, ms. */
  get lateness(): number {
    return this.waiting.length === 0 ? 0 : performance.now() - this.waiting[0];
  }

  /** Ends the input and lets ffmpeg finish while it makes progress; resolves when it has ended. */
  async end(): Promise<WriterExit> {
    const { stdin } = this.ffmpeg;
    stdin.end();
    let left = Infinity;
    let movedAt = performance.now();
    const watch = setInterval(() => {
      const now = performance.now();
      const length = stdin.writableLength;
      if (length < left) movedAt = now;
      left = length;
      if (now - movedAt < this.limits.endMs) return;
      this.kill(`ffmpeg made no progress for ${this.limits.endMs / 1000} s and was killed`);
    }, LOOK_MS);
    const exit = await this.exited;
    clearInterval(watch);
    return exit;
  }

  /** Kills ffmpeg. @param reason reported instead of its own */
  kill(reason: string): void {
    this.force ??= reason;
    this.ffmpeg.kill();
  }

  private isTooBusy(waitingBytes: number): boolean {
    const { bytes, ms, startMs } = this.limits;
    return waitingBytes > bytes || this.lateness > (this.takenBytes > PIPE_BYTES ? ms : startMs);
  }
}

/** The filter that fits pictures of any size into one size with even sides, as most video formats want them. */
export function fitInto(width: number, height: number): string {
  const [w, h] = [width + (width % 2), height + (height % 2)];
  return `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:-1:-1`;
}
