import { spawn, type ChildProcess } from 'node:child_process';
import { endWithParent } from '../../../engine/util/orphan-guard';
import { FfmpegWords } from './words';

const LOOK_MS = 250;
/** What a pipe takes without anybody who reads it. */
const PIPE_BYTES = 64 * 1024;

/** How an ffmpeg process ended: well (code 0), with what it wrote about its failure, or it never started. */
export interface WriterExit {
  code?: number | null;
  signal?: NodeJS.Signals | null;
  stderr: string;
  spawnError?: NodeJS.ErrnoException;
  /** It was ended because it stood still, ms. */
  stoodStill?: number;
}

/** How much may wait for an ffmpeg process that is busy. */
export interface Patience {
  /** Bytes. */
  bytes: number;
  /** What has waited for longer than this is joined by no more, ms. */
  ms: number;
  /** The same while it starts. */
  startMs: number;
  /** So long it may do nothing at all after its input has ended; then it is ended by force. */
  endMs: number;
}

const NONE: Patience = { bytes: 0, ms: Infinity, startMs: Infinity, endMs: 4000 };

/** An ffmpeg process that reads pictures from its standard input. */
export class FfmpegWriter {
  private readonly child: ChildProcess;
  private readonly exited: Promise<WriterExit>;
  /** Since when each write waits that it has not taken yet. */
  private readonly waiting: number[] = [];
  private takenBytes = 0;
  private stoodStill: number | undefined;

  /**
   * @param program ffmpeg's path, or its name to be found on PATH
   * @param onExit told once, however it ended
   */
  constructor(
    program: string,
    args: string[],
    onExit: (exit: WriterExit) => void,
    private readonly patience = NONE,
  ) {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], windowsHide: true });
    this.child = child;
    endWithParent(child, 'CONT');
    const words = new FfmpegWords();
    child.stderr.on('data', (chunk: Buffer) => words.add(chunk));
    // Told by the exit, in ffmpeg's own words.
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      let isOver = false;
      const over = (how: Omit<WriterExit, 'stderr'>): void => {
        if (isOver) return;
        isOver = true;
        const exit = { ...how, stderr: words.brief, ...(this.stoodStill !== undefined && { stoodStill: this.stoodStill }) };
        onExit(exit);
        resolve(exit);
      };
      child.once('error', (spawnError: NodeJS.ErrnoException) => over({ spawnError }));
      child.once('close', (code, signal) => over({ code, ...(signal && { signal }) }));
    });
  }

  /** Hands it the next bytes. @returns false when it is too busy for them: they are left out */
  write(bytes: Buffer): boolean {
    const { stdin } = this.child;
    if (!stdin || this.isTooBusy(stdin.writableLength)) return false;
    this.waiting.push(performance.now());
    stdin.write(bytes, () => {
      this.waiting.shift();
      this.takenBytes += bytes.length;
    });
    return true;
  }

  /** For how long its next bytes have waited for it, ms. */
  get lateness(): number {
    return this.waiting.length === 0 ? 0 : performance.now() - this.waiting[0];
  }

  /** Lets it finish what it has, as long as it goes on with it; resolves when it has ended. */
  async end(): Promise<WriterExit> {
    const { stdin } = this.child;
    stdin?.end();
    let left = Infinity;
    let movedAt = performance.now();
    const watch = setInterval(() => {
      const now = performance.now();
      const length = stdin?.writableLength ?? 0;
      if (length < left) movedAt = now;
      left = length;
      if (now - movedAt < this.patience.endMs) return;
      this.stoodStill = this.patience.endMs;
      this.child.kill('SIGKILL');
    }, LOOK_MS);
    const exit = await this.exited;
    clearInterval(watch);
    return exit;
  }

  private isTooBusy(waitingBytes: number): boolean {
    const { bytes, ms, startMs } = this.patience;
    return waitingBytes > bytes || this.lateness > (this.takenBytes > PIPE_BYTES ? ms : startMs);
  }
}

/** Why ffmpeg ended, in a sentence. */
export function reasonOf({ code, signal, stderr, spawnError, stoodStill }: WriterExit, program: string): string {
  if (spawnError?.code === 'ENOENT') return `ffmpeg was not found as "${program}": install it, or give its path in the settings`;
  if (stoodStill !== undefined) return `ffmpeg stood still for ${stoodStill / 1000} s and was ended by force`;
  return spawnError?.message ?? (stderr || `ffmpeg ended with ${signal ?? `code ${code}`}`);
}

/** The filter that fits pictures of any size into one size with even sides, as most video formats want them. */
export function fitInto(width: number, height: number): string {
  const [w, h] = [width + (width % 2), height + (height % 2)];
  return `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:-1:-1`;
}
