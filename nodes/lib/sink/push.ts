import type { Readable } from 'node:stream';
import { EngineError } from '../../../engine/errors';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { Backoff, jittered } from '../../../engine/util/backoff';
import { maskSecrets } from '../ffmpeg/camera-address';
import { FfmpegWriter, fitInto, type WriterLimits } from '../ffmpeg/writer';
import type { ShownPicture, Viewer } from '../web/viewer';
import type { PushOptions } from './push-address';
import { timedPicture, timedPicturesHead } from './timed-pictures';

/** The pauses before ffmpeg is started again after a failure, ms. */
const RETRIES = { first: 1000, last: 30_000 };
/** After this time without a fault the retries start over. */
const SOUND_MS = 10_000;
/** A connection without progress for this long is given up, ms; connecting may take longer. */
const PATIENCE_MS = { running: 10_000, starting: 25_000 };
/** One picture is written at a time and none waits, so that the next one is the newest by then. */
const LIMITS: WriterLimits = { bytes: 0, ms: Infinity, startMs: Infinity, endMs: 2000 };
/** The interval of key frames, seconds: a new viewer waits this long at most. */
const KEY_FRAME_S = 2;

/**
 * Sends a sink's pictures to a program or server as H.264 at a constant rate, however irregularly pictures come, through an
 * ffmpeg process that starts with the first picture. When that fails or makes no progress, it is restarted with growing pauses.
 * The stream keeps the size of the first picture; pictures of another size are fitted in.
 */
export class Push implements Viewer {
  private writer: FfmpegWriter | undefined;
  private newest: Buffer | undefined;
  private clock: NodeJS.Timeout | undefined;
  private readonly backoff = new Backoff(RETRIES);
  private notBefore = 0;
  private beganAt = 0;
  /** When the stream last made progress, and its position then, µs. */
  private progress = { at: 0, time: 0 };
  /** The index in the stream of the last picture that was written; -1 for none. */
  private last = -1;
  private isOver = false;

  /** @param onFailure called each time it fails; it retries by itself */
  constructor(
    private readonly options: PushOptions,
    private readonly onFailure: (error: EngineError) => void,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Whether the other side takes pictures, or is being connected to; undefined before the first picture. */
  get state(): 'sending' | 'calling' | undefined {
    if (this.writer && this.progress.time > 0) return 'sending';
    return this.newest && 'calling';
  }

  /** ffmpeg's process id, while it runs. */
  get pid(): number | undefined {
    return this.writer?.pid;
  }

  show({ jpeg }: ShownPicture): void {
    if (this.isOver) return;
    this.newest = jpeg;
    if (this.clock) return;
    this.clock = setInterval(() => this.tick(), 1000 / this.options.fps).unref();
    this.tick();
  }

  end(): void {
    void this.finish();
  }

  /** Resolves when ffmpeg has ended, after 2.5 s at most. */
  async finish(): Promise<void> {
    this.isOver = true;
    clearInterval(this.clock);
    this.newest = undefined;
    await this.writer?.end();
  }

  private tick(): void {
    const now = performance.now();
    const { newest } = this;
    if (!newest || (!this.writer && now < this.notBefore)) return;
    this.writer ??= this.start(newest);
    if (!this.writer) return;
    const { fps } = this.options;
    const place = Math.floor(((now - this.beganAt) * fps) / 1000);
    if (place > this.last && this.writer.write(timedPicture(newest, (place * 1000) / fps))) this.last = place;
    const limit = this.progress.time > 0 ? this.patienceMs.running : this.patienceMs.starting;
    if (now - this.progress.at > limit) this.writer.kill(`nothing was sent for ${limit / 1000} s`);
  }

  private start(first: Buffer): FfmpegWriter | undefined {
    const { ffmpeg, hidden } = this.options;
    const size = jpegSize(first);
    // The feed never shows a picture without a size.
    if (!size) return undefined;
    const args = pushArguments(this.options, size.width, size.height);
    const startedAt = performance.now();
    const onExit = ({ reason }: { reason: string }): void => {
      if (this.writer === writer) this.writer = undefined;
      if (this.isOver) return;
      if (performance.now() - startedAt > SOUND_MS) this.backoff.reset();
      this.notBefore = performance.now() + jittered(this.backoff.next());
      this.onFailure(new EngineError('ESOURCE', this.mask(`the pictures cannot be sent to ${this.options.address}: ${reason}`)));
    };
    const onOutput = (stdout: Readable): void => void stdout.on('data', (chunk: Buffer) => this.hear(chunk.toString()));
    const writer = new FfmpegWriter(ffmpeg, args, onExit, LIMITS, { onOutput, hidden });
    writer.write(timedPicturesHead(size.width, size.height));
    this.beganAt = startedAt;
    this.progress = { at: startedAt, time: 0 };
    this.last = -1;
    return writer;
  }

  /** Reads ffmpeg's progress reports; one that is cut off is followed by others. */
  private hear(report: string): void {
    const time = Number([...report.matchAll(/out_time_us=(\d+)\n/g)].at(-1)?.[1] ?? 0);
    if (time > this.progress.time) this.progress = { at: performance.now(), time };
  }

  private mask(text: string): string {
    return maskSecrets(text, this.options.secrets);
  }
}

/** ffmpeg's arguments: pictures come in with times of this process's clock and go out at a constant rate, repeating the previous picture where one is missing. */
export function pushArguments({ target, format, fps, kbps, further }: PushOptions, width: number, height: number): string[] {
  return [
    ...['-hide_banner', '-loglevel', 'error', '-progress', 'pipe:1', '-stats_period', '0.5'],
    ...['-threads', '1', '-probesize', '32', '-analyzeduration', '0', '-f', 'matroska', '-i', 'pipe:0'],
    // Platforms refuse a stream without sound.
    ...(format === 'flv' ? ['-f', 'lavfi', '-i', 'anullsrc=r=44100:cl=stereo', '-c:a', 'aac', '-b:a', '64k', '-shortest'] : []),
    ...['-vf', fitInto(width, height), '-vsync', 'cfr', '-r', String(fps)],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p'],
    ...['-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`, '-g', String(Math.ceil(KEY_FRAME_S * fps))],
    ...further,
    ...['-flush_packets', '1', '-f', format, target],
  ];
}
