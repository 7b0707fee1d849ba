import { dirname } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { lackOfRoom } from '../common/disk-room';
import { FfmpegWriter, fitInto, type WriterExit, type WriterLimits } from '../ffmpeg/writer';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { timedPicture, timedPicturesHead } from './timed-pictures';
import type { ShownPicture, Viewer } from '../web/viewer';

const GUARD_MS = 5000;
/** A picture that stays is written again after this time, so that what lasts is in the file, too. */
const BEAT_MS = 250;
/** Parts of the file that are whole, µs; what is under way is lost when ffmpeg is killed. */
const FRAGMENT_US = 200_000;
/** A recording that takes nothing for this long is given up, ms. */
const STANDSTILL_MS = 15_000;
/** What waits is lost when this process is killed; while ffmpeg starts there is no other way. */
export const LIMITS: WriterLimits = { bytes: 16 * 1024 * 1024, ms: 400, startMs: STANDSTILL_MS, endMs: 8000 };

export interface RecordingOptions {
  /** ffmpeg's path, or its name to be found on PATH. */
  ffmpeg: string;
  file: string;
  /** Ends when the disk has less room than that, bytes. */
  minFree: number;
}

/** What a recording tells. */
export interface RecordingEvents {
  /** It ended by itself, or not as it should; it must be removed from the feed then. Told once. */
  failed(error: EngineError): void;
  /** It is over, and so many pictures are missing, for which ffmpeg was too slow. */
  leftOut(pictures: number): void;
}

/**
 * Writes what a sink shows to an MP4 file, each picture at the moment when it was shown, through an ffmpeg process that
 * starts with the first picture. Whoever is killed, ffmpeg or this process, or if the power fails: the file can be
 * played up to its last second.
 */
export class Recording implements Viewer {
  private writer: FfmpegWriter | undefined;
  private readonly guard: NodeJS.Timeout;
  private readonly beat: NodeJS.Timeout;
  /** Settles when the file is whole; set as soon as it takes no more pictures. */
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

  /** Resolves when the file is whole. */
  finish(): Promise<void> {
    this.over ??= this.complete();
    return this.over;
  }

  private async complete(): Promise<void> {
    // The last picture lasts until now.
    if (this.newest) this.write(this.newest);
    const exit = await this.close();
    if (exit && exit.code !== 0) this.fail(...this.failureOf(exit));
    if (this.missing > 0) this.events.leftOut(this.missing);
  }

  private start(first: Buffer): FfmpegWriter | undefined {
    const { ffmpeg, file } = this.options;
    const size = jpegSize(first);
    // A feed shows none without a size.
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
 * Nothing is held back: without a look at what comes, without pictures that refer to later ones or wait for others.
 * Pictures of another size that come later are fitted into the size of the first.
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
    // Times as they came, to the millisecond.
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
