import { spawn, type ChildProcess } from 'node:child_process';

const END_MS = 4000;
const STDERR_TAIL = 500;

/** How an ffmpeg process ended: well (code 0), with what it wrote about its failure, or it never started. */
export interface WriterExit {
  code?: number | null;
  stderr: string;
  spawnError?: NodeJS.ErrnoException;
}

/** An ffmpeg process that reads pictures from its standard input. */
export class FfmpegWriter {
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;
  private isBusy = false;

  /**
   * @param program ffmpeg's path, or its name to be found on PATH
   * @param onExit told once, however it ended
   */
  constructor(program: string, args: string[], onExit: (exit: WriterExit) => void) {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], windowsHide: true });
    this.child = child;
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk).slice(-STDERR_TAIL)));
    // Told by the exit, in ffmpeg's own words.
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      let isOver = false;
      const over = (exit: Omit<WriterExit, 'stderr'>): void => {
        if (isOver) return;
        isOver = true;
        resolve();
        onExit({ ...exit, stderr: stderr.trim() });
      };
      child.once('error', (spawnError: NodeJS.ErrnoException) => over({ spawnError }));
      child.once('close', (code) => over({ code }));
    });
  }

  /** Hands it the next picture; one that comes while it is busy is left out. */
  write(picture: Buffer): void {
    const { stdin } = this.child;
    if (!stdin || this.isBusy) return;
    this.isBusy = !stdin.write(picture);
    if (this.isBusy) stdin.once('drain', () => (this.isBusy = false));
  }

  /** Lets it finish what it has; resolves when it has ended. */
  async end(): Promise<void> {
    this.child.stdin?.end();
    const force = setTimeout(() => this.child.kill('SIGKILL'), END_MS);
    await this.exited;
    clearTimeout(force);
  }
}

/** Why ffmpeg ended, in a sentence. */
export function reasonOf({ code, stderr, spawnError }: WriterExit, program: string): string {
  if (spawnError?.code === 'ENOENT') return `ffmpeg was not found as "${program}": install it, or give its path in the settings`;
  return spawnError?.message ?? (stderr || `ffmpeg ended with code ${code}`);
}

/** The filter that fits pictures of any size into one size with even sides, as most video formats want them. */
export function fitInto(width: number, height: number): string {
  const [w, h] = [width + (width % 2), height + (height % 2)];
  return `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:-1:-1`;
}
