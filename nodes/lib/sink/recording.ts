import { dirname } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { lackOfRoom } from '../common/disk-room';
import { FfmpegWriter, fitInto, type WriterExit, type WriterLimits } from '../ffmpeg/writer';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { timedPicture, timedPicturesHead } from './timed-pictures';
import type { ShownPicture, Viewer } from '../web/viewer';

const GUARD_MS = 5000;
/** A picture that stays is written again after this time, ms, so that its duration is in the file even after a crash. */
const BEAT_MS = 250;
/** The length of the file's fragments, µs; the unfinished one is lost when ffmpeg is killed. */
const FRAGMENT_US = 200_000;
/** A recording that writes nothing for this long is given up, ms. */
const STANDSTILL_MS = 15_000;
/** Pictures that wait are lost when this process is killed, so few may wait except while ffmpeg starts. */
export const LIMITS: WriterLimits = { bytes: 16 * 1024 * 1024, ms: 400, startMs: STANDSTILL_MS, endMs: 8000 };

export interface RecordingOptions {
  /** ffmpeg's path, or its name on PATH. */
  ffmpeg: string;
  file: string;
  /** The recording ends when the disk has less free space than this, bytes. */
  minFree: number;
}

/** The events of a recording. */
export interface RecordingEvents {
  /** It failed, or ended by itself; it must be removed from the feed then. Called once. */
  failed(error: EngineError): void;
  /** It has ended without this many pictures, for which ffmpeg was too slow. */
  leftOut(pictures: number): void;
}

/**
 * Writes a sink's pictures to an MP4 file, each at the time when it was shown, through an ffmpeg process that starts with the
 * first picture. If ffmpeg or this process is killed, or the power fails, the file can be played up to its last second.
 */
export class Recording implements Viewer {
  private writer: FfmpegWriter | undefined;
  private readonly guard: NodeJS.Timeout;
  private readonly beat: NodeJS.Timeout;
  /** Settles when the file is complete; set as soon as it takes no more pictures. */
  private over: Promise<void> | undefined;
  private hasFailed = false;
  private newest: Buffer | undefined;
  private beganAt = 0;
  private lastMs = -1;
  private missing = 0;

  constructor(
    private readonly options: RecordingOptions,
    private readonly events: RecordingEvents,
    private readonly limits: WriterLimits = LIMITS,
  ) {
    this.guard = setInterval(() => void this.checkDisk(), GUARD_MS).unref();
    this.beat = setInterval(() => this.stay(), BEAT_MS / 2).unref();
    void this.checkDisk();
  }

  show({ jpeg }: ShownPicture): void {
    if (this.over) return;
    this.writer ??= this.start(jpeg);
    if (!this.writer) return;
    if (!this.write(jpeg)) this.missing++;
  }

  end(): void {
    void this.finish();
  }

  /** Resolves when the file is complete. */
  finish(): Promise<void> {
    this.over ??= this.complete();
    return this.over;
  }

  private async complete(): Promise<void> {
    // The last picture is written again, so that it lasts until now.
    if (this.newest) this.write(this.newest);
    const exit = await this.close();
    if (exit && exit.code !== 0) this.fail(...this.failureOf(exit));
    if (this.missing > 0) this.events.leftOut(this.missing);
  }

  private start(first: Buffer): FfmpegWriter | undefined {
    const { ffmpeg, file } = this.options;
    const size = jpegSize(first);
    // The feed never shows a picture without a size.
    if (!size) return undefined;
    const { width, height } = size;
    const onExit = (exit: WriterExit): void => void (!this.over && this.fail(...this.failureOf(exit)));
    const writer = new FfmpegWriter(ffmpeg, recordingArguments(file, width, height), onExit, this.limits);
    writer.write(timedPicturesHead(width, height));
    this.beganAt = performance.now();
    return writer;
  }

  private write(jpeg: Buffer): boolean {
    const milliseconds = Math.max(this.lastMs + 1, Math.round(performance.now() - this.beganAt));
    const timed = timedPicture(jpeg, milliseconds);
    this.newest = timed.subarray(-jpeg.length);
    if (!this.writer?.write(timed)) return false;
    this.lastMs = milliseconds;
    return true;
  }

  private stay(): void {
    if (!this.writer || !this.newest) return;
    if (performance.now() - this.beganAt - this.lastMs >= BEAT_MS) this.write(this.newest);
    if (this.writer.lateness > STANDSTILL_MS) this.fail('EDISK', `ffmpeg took no picture for ${STANDSTILL_MS / 1000} s`);
  }

  private async close(): Promise<WriterExit | undefined> {
    clearInterval(this.guard);
    clearInterval(this.beat);
    return this.writer?.end();
  }

  private async checkDisk(): Promise<void> {
    const { file, minFree } = this.options;
    const problem = await lackOfRoom(dirname(file), minFree);
    if (problem && !this.over) this.fail('EDISK', problem);
  }

  private failureOf({ spawnError, reason }: WriterExit): ['ESOURCE' | 'EDISK', string] {
    return [spawnError ? 'ESOURCE' : 'EDISK', reason];
  }

  private fail(code: 'ESOURCE' | 'EDISK', reason: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.over ??= this.close().then(() => undefined);
    this.events.failed(new EngineError(code, `the recording ${this.options.file} ended: ${reason}`));
  }
}

/**
 * ffmpeg's arguments. Nothing is held back: no lookahead, no B-frames, no frame threads. Later pictures of another size are
 * fitted into the size of the first.
 */
export function recordingArguments(file: string, width: number, height: number): string[] {
  return [
    '-hide_banner',
    '-loglevel',
    'error',
    '-n',
    '-threads',
    '1',
    '-probesize',
    '32',
    '-analyzeduration',
    '0',
    '-f',
    'matroska',
    '-i',
    'pipe:0',
    '-vf',
    fitInto(width, height),
    // Keeps the pictures' own times, to the millisecond.
    '-vsync',
    'vfr',
    '-enc_time_base',
    '1:1000',
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-tune',
    'zerolatency',
    '-crf',
    '20',
    '-pix_fmt',
    'yuv420p',
    '-g',
    '60',
    '-movflags',
    '+empty_moov+default_base_moof',
    '-frag_duration',
    String(FRAGMENT_US),
    '-flush_packets',
    '1',
    `file:${file}`,
  ];
}
