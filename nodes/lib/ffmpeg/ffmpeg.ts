import { EngineError } from '../../../engine/errors';
import { Backoff } from '../../../engine/util/backoff';
import { placed } from '../../../engine/util/place';
import { type FfmpegExit, FfmpegProcess } from '../../../engine/util/ffmpeg-process';
import type { FfmpegWords } from '../../../engine/util/ffmpeg-words';
import { ArrivalPace } from '../common/arrival-pace';
import { isAddress, maskSecrets, secretsOf } from './camera-address';
import { LONGEST_PAUSE_S, demandsOf, ffmpegArguments, ffmpegScript, type FfmpegInput } from './arguments';
import { JpegSplitter } from './jpeg-splitter';
import type { Producer, ProducerEvents } from '../common/producer';

const FIRST_PICTURE_MS = 20_000;
const NEXT_PICTURE_MS = 10_000;
/** The longest wait for the next picture of a video, ms: it may hold one for a while. */
const NEXT_OF_VIDEO_MS = 1000 * LONGEST_PAUSE_S + NEXT_PICTURE_MS;
/** A video that is restarted takes at least this long per round, however short it is, ms. */
const SHORTEST_ROUND_MS = 1000;
const CERTIFICATE_ADVICE =
  '\nWhere it is the camera\'s own certificate: give its file in the options, "-ca_file FILE", or tick "accept any certificate"';
/** The pauses before ffmpeg is started again after a failure, ms. */
const RETRIES = { first: 1000, last: 30_000 };
/** A camera that gave pictures for this long was healthy, so that the pauses start over, ms. */
const SOUND_MS = 10_000;

/**
 * Pictures from a video, camera or screen through an ffmpeg process, which is restarted with growing pauses when it fails or
 * gives no more pictures. When Node-RED itself is killed, ffmpeg ends at its next write to the closed pipe.
 */
export class FfmpegProducer implements Producer {
  private ffmpeg: FfmpegProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private readonly backoff = new Backoff(RETRIES);
  private retryTimer: NodeJS.Timeout | undefined;
  private silenceTimer: NodeJS.Timeout | undefined;
  private stopped = false;
  /** ffmpeg's output for each set of options with which a camera gave no picture. */
  private said: string[] = [];

  /** @param program ffmpeg's path, or its name on PATH */
  constructor(
    private readonly program: string,
    private readonly input: FfmpegInput,
    private readonly events: ProducerEvents,
  ) {
    this.start();
  }

  /** ffmpeg's process id, while it runs. */
  get pid(): number | undefined {
    return this.ffmpeg?.pid;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    this.ffmpeg?.stop();
    await this.exited;
  }

  private start(): void {
    const demands = demandsOf(this.input, process.platform, this.said);
    const ffmpeg = new FfmpegProcess(this.program, ffmpegArguments(this.input, process.platform, demands), {
      onOutput: (stdout) => stdout.on('data', (chunk: Buffer) => onOutput(chunk)),
    });
    this.ffmpeg = ffmpeg;
    ffmpeg.stdin.end(ffmpegScript(this.input) ?? '');
    const splitter = new JpegSplitter();
    // Each run has its own pace, so that a gap between two runs is not made up for.
    const pace = new ArrivalPace(this.input.fps);
    const startedAt = performance.now();
    let silent = false;
    let pictures = 0;
    let firstAt = 0;
    const expectPicture = (withinMs: number): void => {
      clearTimeout(this.silenceTimer);
      this.silenceTimer = setTimeout(() => {
        silent = true;
        ffmpeg.stop();
      }, withinMs);
    };
    expectPicture(FIRST_PICTURE_MS);

    const onOutput = (chunk: Buffer): void => {
      // If several pictures arrive in one chunk, this process was busy, and only the newest is sent.
      const newest = splitter.push(chunk).at(-1);
      if (!newest || this.stopped) return;
      if (pictures++ === 0) firstAt = performance.now();
      else if (performance.now() - firstAt > SOUND_MS) this.backoff.reset();
      expectPicture(this.input.kind === 'video' ? NEXT_OF_VIDEO_MS : NEXT_PICTURE_MS);
      if (pace.takes()) this.events.frame(newest);
    };
    this.exited = ffmpeg.exited.then((exit) => {
      clearTimeout(this.silenceTimer);
      this.ffmpeg = undefined;
      const { words } = ffmpeg;
      const reason = ffmpeg.reasonOf(exit);
      if (!this.stopped) this.afterExit({ ...exit, silent, pictures, words, reason, lastedMs: performance.now() - startedAt });
    });
  }

  private afterExit(exit: Exit): void {
    const isAtEnd = exit.code === 0 && this.input.kind === 'video' && exit.pictures !== 0;
    if (isAtEnd) return this.input.loop ? this.startIn(Math.max(0, SHORTEST_ROUND_MS - exit.lastedMs)) : this.events.ended();
    if (this.asksOtherwise(exit)) return this.start();
    const error = new EngineError('ESOURCE', this.mask(this.reason(exit)), { cause: exit.spawnError });
    // A missing program is not tried again.
    if (exit.spawnError) return this.events.failed(error);
    const delay = this.backoff.next();
    this.startIn(delay);
    this.events.failed(error, delay);
  }

  /** Whether there are other options to try with a camera that gave no picture; options that worked are kept. */
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

  private reason({ code, spawnError, silent, pictures, words, reason }: Exit): string {
    const { input, kind, start } = this.input;
    const name = kind === 'video' && !isAddress(input) ? placed(input) : input || `the ${kind}`;
    if (spawnError) return reason;
    if (silent) return `${name} gave no picture for too long`;
    if (code === 0 && pictures === 0) return `${name} has no picture${start > 0 ? ` after second ${start}` : ''}`;
    if (/matches no streams/.test(words.text)) return `${name} has no moving picture`;
    const advice = /certificate/i.test(words.text) ? CERTIFICATE_ADVICE : '';
    // ffmpeg repeats the name before its reason, which a status would then have no room for.
    const why = reason.startsWith(`${input}: `) ? reason.slice(input.length + 2) : reason;
    return `${name} cannot be played: ${why}${advice}`;
  }

  private mask(text: string): string {
    return maskSecrets(text, secretsOf(this.input.input, this.input.password));
  }
}

/** How a run of ffmpeg ended. */
interface Exit extends FfmpegExit {
  /** Whether it was ended because no picture came. */
  silent: boolean;
  /** The number of pictures that it gave. */
  pictures: number;
  words: FfmpegWords;
  reason: string;
  /** The time from its start to its end, ms. */
  lastedMs: number;
}
