import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { endWithParent } from './orphan-guard';
import { FfmpegWords } from './ffmpeg-words';
import { hiding, type HiddenOption } from './hidden-options';

/** How a run of ffmpeg ended, or that it never started. */
export interface FfmpegExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  spawnError?: NodeJS.ErrnoException;
}

/** The settings of a run of ffmpeg. */
export interface FfmpegRun {
  /** Takes its standard output, which must be read to the end; without it, ffmpeg has no output. */
  onOutput?: (stdout: Readable) => void;
  /** Options of its output that must not appear in the list of processes. */
  hidden?: readonly HiddenOption[];
}

type Child = ChildProcessByStdio<Writable, Readable | null, Readable>;

const KILL_AFTER_MS = 2000;

/**
 * One run of ffmpeg, fed through its standard input. It ends with this process, however that ends.
 *
 * @param program its path, or its name on PATH
 */
export class FfmpegProcess {
  readonly stdin: Writable;
  /** Its error output. */
  readonly words = new FfmpegWords();
  /** Resolves when it has ended, in whatever way, and its output has been read to the end. */
  readonly exited: Promise<FfmpegExit>;
  private readonly child: Child;

  constructor(
    readonly program: string,
    args: readonly string[],
    { onOutput, hidden = [] }: FfmpegRun = {},
  ) {
    const call = hiding(program, args, hidden);
    const child = spawn(call.program, call.args, { stdio: ['pipe', onOutput ? 'pipe' : 'ignore', 'pipe'], windowsHide: true }) as Child;
    this.child = child;
    // An ffmpeg that writes a file may finish it, even if it was stopped (SIGSTOP).
    endWithParent(child, onOutput ? 'KILL' : 'CONT');
    this.stdin = child.stdin;
    // A program that ends before it has read everything reports the reason itself.
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => this.words.add(chunk));
    if (child.stdout) onOutput?.(child.stdout);
    if (call.input) child.stdin.write(call.input);
    this.exited = new Promise((resolve) => {
      child.once('error', (spawnError: NodeJS.ErrnoException) => resolve({ code: null, signal: null, spawnError }));
      child.once('close', (code, signal) => resolve(code === call.notFound ? notFound() : { code, signal }));
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks it to end, and kills it when it does not. */
  stop(): void {
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.kill(), KILL_AFTER_MS);
    void this.exited.then(() => clearTimeout(force));
  }

  /** Kills it. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Why it ended, in ffmpeg's own words where it had some. */
  reasonOf({ code, signal, spawnError }: FfmpegExit): string {
    if (spawnError?.code === 'ENOENT') return `ffmpeg was not found as "${this.program}": install it, or give its path`;
    if (spawnError) return `ffmpeg cannot be started as "${this.program}": ${spawnError.message}`;
    return this.words.brief || `ffmpeg ended with ${signal ?? `code ${code}`}`;
  }
}

const notFound = (): FfmpegExit => ({ code: null, signal: null, spawnError: Object.assign(new Error('not found'), { code: 'ENOENT' }) });
