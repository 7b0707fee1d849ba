import { spawn, type ChildProcess } from 'node:child_process';
import { EngineError } from '../../../engine/errors';
import { Backoff } from '../../../engine/util/backoff';
import { endWithParent } from '../../../engine/util/orphan-guard';
import { ArrivalPace } from '../common/arrival-pace';
import { maskSecrets, secretsOf } from '../source/camera-address';
import { LONGEST_PAUSE_S, demandsOf, ffmpegArguments, ffmpegScript, type FfmpegInput } from './arguments';
import { FfmpegWords } from './words';
import { JpegSplitter } from './jpeg-splitter';
import type { Producer, ProducerEvents } from '../source/producer';

const FIRST_PICTURE_MS = 20_000;
const NEXT_PICTURE_MS = 10_000;
/** A video may rest on a picture. */
const NEXT_OF_VIDEO_MS = 1000 * LONGEST_PAUSE_S + NEXT_PICTURE_MS;
/** A round of a video that begins again takes at least this long, however little is in it. */
const SHORTEST_ROUND_MS = 1000;
const CERTIFICATE_ADVICE =
  '\nWhere it is the camera\'s own certificate: give its file in the options, "-ca_file FILE", or tick "accept any certificate"';
const KILL_AFTER_MS = 2000;
/** Pauses between its failures and its new starts, ms. */
const RETRIES = { first: 1000, last: 30_000 };
/** A camera that gave pictures for this long was sound: its end is tried again at once. */
const SOUND_MS = 10_000;

/**
 * Pictures from a video, camera or screen through an ffmpeg process, which is started again, ever more slowly, when it fails
 * or falls silent. When Node-RED itself is killed, ffmpeg's next write finds the pipe closed and it ends.
 */
export class FfmpegProducer implements Producer {
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private readonly backoff = new Backoff(RETRIES);
  private retryTimer: NodeJS.Timeout | undefined;
  private silenceTimer: NodeJS.Timeout | undefined;
  private stopped = false;
  /** What ffmpeg said at each way of asking a camera that gave no picture. */
  private said: string[] = [];

  /** @param program ffmpeg's path, or its name to be found on PATH */
  constructor(
    private readonly program: string,
    private readonly input: FfmpegInput,
    private readonly events: ProducerEvents,
  ) {
    this.start();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    this.kill();
    await this.exited;
  }

  private start(): void {
    const demands = demandsOf(this.input, process.platform, this.said);
    const child = spawn(this.program, ffmpegArguments(this.input, process.platform, demands), {
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    this.child = child;
    endWithParent(child);
    // A program that ends before it has read this says why itself.
    child.stdin.on('error', () => undefined).end(ffmpegScript(this.input) ?? '');
    const splitter = new JpegSplitter();
    // Each run anew: what was missing between two is not made up for.
    const pace = new ArrivalPace(this.input.fps);
    const startedAt = performance.now();
    const words = new FfmpegWords();
    let silent = false;
    let pictures = 0;
    let firstAt = 0;
    const expectPicture = (withinMs: number): void => {
      clearTimeout(this.silenceTimer);
      this.silenceTimer = setTimeout(() => {
        silent = true;
        this.kill();
      }, withinMs);
    };
    expectPicture(FIRST_PICTURE_MS);

    child.stdout.on('data', (chunk: Buffer) => {
      // Several pictures in one chunk: this process was busy, and only the newest is still worth sending.
      const newest = splitter.push(chunk).at(-1);
      if (!newest || this.stopped) return;
      if (pictures++ === 0) firstAt = performance.now();
      else if (performance.now() - firstAt > SOUND_MS) this.backoff.reset();
      expectPicture(this.input.kind === 'video' ? NEXT_OF_VIDEO_MS : NEXT_PICTURE_MS);
      if (pace.takes()) this.events.frame(newest);
    });
    child.stderr.on('data', (chunk: Buffer) => words.add(chunk));

    this.exited = new Promise((resolve) => {
      const over = (exit: Pick<Exit, 'code' | 'signal' | 'spawnError'>): void => {
        clearTimeout(this.silenceTimer);
        if (this.child !== child) return;
        this.child = undefined;
        resolve();
        if (!this.stopped) this.afterExit({ ...exit, silent, pictures, words, lastedMs: performance.now() - startedAt });
      };
      child.once('error', (spawnError: NodeJS.ErrnoException) => over({ spawnError }));
      child.once('close', (code, signal) => over({ code, signal }));
    });
  }

  private afterExit(exit: Exit): void {
    const isAtEnd = exit.code === 0 && this.input.kind === 'video' && exit.pictures !== 0;
    if (isAtEnd) return this.input.loop ? this.startIn(Math.max(0, SHORTEST_ROUND_MS - exit.lastedMs)) : this.events.ended();
    if (this.asksOtherwise(exit)) return this.start();
    const error = new EngineError('ESOURCE', this.mask(this.reason(exit)), { cause: exit.spawnError });
    // A program that is not there will not be there in a second either.
    if (exit.spawnError) return this.events.failed(error);
    const delay = this.backoff.next();
    this.startIn(delay);
    this.events.failed(error, delay);
  }

  /** Whether there is another way to ask a camera that gave nothing; the one that gave pictures is kept. */
  private asksOtherwise({ spawnError, pictures, words }: Exit): boolean {
    if (spawnError || pictures > 0) return false;
    this.said.push(words.text);
    if (demandsOf(this.input, process.platform, this.said)) return true;
    this.said = [];
    return false;
  }

  private startIn(ms: number): void {
    if (ms === 0) this.start();
    else this.retryTimer = setTimeout(() => this.start(), ms);
  }

  private reason({ code, signal, spawnError, silent, pictures, words }: Exit): string {
    const { input, kind, start } = this.input;
    const name = input || `the ${kind}`;
    if (spawnError?.code === 'ENOENT') return `ffmpeg was not found as "${this.program}": install it, or give its path`;
    if (spawnError) return `ffmpeg cannot be started as "${this.program}": ${spawnError.message}`;
    if (silent) return `${name} gave no picture for too long`;
    if (code === 0 && pictures === 0) return `${name} has no picture${start > 0 ? ` after second ${start}` : ''}`;
    if (/matches no streams/.test(words.text)) return `${name} has no moving picture`;
    const advice = /certificate/i.test(words.text) ? CERTIFICATE_ADVICE : '';
    return `${name} cannot be played: ${words.brief || `ffmpeg ended with ${signal ?? `code ${code}`}`}${advice}`;
  }

  private mask(text: string): string {
    return maskSecrets(text, secretsOf(this.input.input, this.input.password));
  }

  private kill(): void {
    const child = this.child;
    if (!child) return;
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    child.once('close', () => clearTimeout(force));
  }
}

/** How a run of ffmpeg ended. */
interface Exit {
  code?: number | null;
  signal?: NodeJS.Signals | null;
  spawnError?: NodeJS.ErrnoException;
  /** It was ended because no picture came. */
  silent: boolean;
  /** How many it gave. */
  pictures: number;
  words: FfmpegWords;
  /** From its start to its end. */
  lastedMs: number;
}
