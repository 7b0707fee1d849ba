import { type FfmpegExit, FfmpegProcess, type FfmpegRun } from '../../../engine/util/ffmpeg-process';

const LOOK_MS = 250;
/** What a pipe takes without anybody who reads it. */
const PIPE_BYTES = 64 * 1024;

/** How an ffmpeg process ended, and why. */
export interface WriterExit extends FfmpegExit {
  reason: string;
}

/** How much may wait for an ffmpeg process that is busy. */
export interface WriterLimits {
  /** Bytes. */
  bytes: number;
  /** While something has waited for longer than this, nothing is added, ms. */
  ms: number;
  /** The same while it starts. */
  startMs: number;
  /** How long it may do nothing after its input has ended before it is killed, ms. */
  endMs: number;
}

const NO_LIMITS: WriterLimits = { bytes: 0, ms: Infinity, startMs: Infinity, endMs: 4000 };

/** An ffmpeg process that reads pictures from its standard input. */
export class FfmpegWriter {
  private readonly ffmpeg: FfmpegProcess;
  private readonly exited: Promise<WriterExit>;
  /** Since when each write waits that it has not taken yet. */
  private readonly waiting: number[] = [];
  private takenBytes = 0;
  private force: string | undefined;

  /**
   * @param program ffmpeg's path, or its name to be found on PATH
   * @param onExit told once, however it ended
   * @param run beside its input
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

  /** Of ffmpeg. */
  get pid(): number | undefined {
    return this.ffmpeg.pid;
  }

  /** Hands it the next bytes. @returns false when it is too busy for them: they are left out */
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

  /** How long the next bytes have waited for it, ms. */
  get lateness(): number {
    return this.waiting.length === 0 ? 0 : performance.now() - this.waiting[0];
  }

  /** Lets it finish as long as it makes progress; resolves when it has ended. */
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
      this.kill(`ffmpeg stood still for ${this.limits.endMs / 1000} s and was ended by force`);
    }, LOOK_MS);
    const exit = await this.exited;
    clearInterval(watch);
    return exit;
  }

  /** Ends it by force. @param reason told in place of its own, which it can no longer tell */
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
