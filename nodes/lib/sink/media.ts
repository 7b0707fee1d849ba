import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { lackOfRoom } from '../common/disk-room';
import { wallTime } from '../common/wall-time';
import type { SinkFeed } from './feed';
import { Recording } from './recording';

export interface MediaOptions {
  /** The folder of recordings and snapshots; '' when the sink writes none. */
  folder: string;
  /** A recording ends, and no snapshot is written, when the disk has less free space than this, bytes. */
  minFree: number;
  ffmpeg: string;
}

/** Where a snapshot was kept. */
export interface Snapshot {
  /** Its file in the sink's folder, where the sink has one. */
  filename?: string;
  /** Its id in the gallery, where there is one. */
  picture?: string;
}

/** The events of a sink's files. */
export interface MediaEvents {
  /** A recording failed, or ended by itself. */
  failed(error: EngineError): void;
  /** A recording has ended without this many pictures, for which ffmpeg was too slow. */
  leftOut(pictures: number, file: string): void;
}

/** The files that a sink writes: recordings and snapshots, named after the sink and the time. Messages cannot name files. */
export class SinkMedia {
  private opening: Promise<string> | undefined;
  private recording: { writer: Recording; file: string } | undefined;
  /** Files of the same millisecond get different numbers, including those that are not written yet. */
  private last = { time: '', number: 0 };
  /** The gallery, which also keeps snapshots, with or without a folder. */
  gallery: { add(jpeg: Buffer): Promise<string> } | undefined;

  constructor(
    private readonly name: string,
    private readonly options: MediaOptions,
    private readonly feed: SinkFeed,
    private readonly events: MediaEvents,
  ) {}

  get isRecording(): boolean {
    return this.recording !== undefined;
  }

  /** Starts a recording, unless one is running; resolves to its file. Rejects with EBADPARAM, EDISK. */
  async record(): Promise<string> {
    if (this.recording) return this.recording.file;
    this.opening ??= this.begin().finally(() => (this.opening = undefined));
    return this.opening;
  }

  /** Ends the recording; resolves to its file when that is complete, to undefined when none was running. */
  async stop(): Promise<string | undefined> {
    await this.opening?.catch(() => undefined);
    const { recording } = this;
    if (!recording) return undefined;
    this.forget(recording.writer);
    await recording.writer.finish();
    return recording.file;
  }

  /**
   * Keeps the newest picture as JPEG, in the folder and in the gallery. If one of them fails, the error is reported and the other
   * still keeps it. Rejects with EBADPARAM or EDISK when neither did, and EBADFRAME when there is no picture.
   */
  async snapshot(): Promise<Snapshot> {
    const { gallery } = this;
    const jpeg = await this.feed.newestJpeg();
    if (!jpeg) throw new EngineError('EBADFRAME', 'there is no picture yet to take a snapshot of');
    const [file, picture] = await Promise.allSettled([
      this.options.folder || !gallery ? this.write(jpeg) : Promise.resolve(undefined),
      gallery?.add(jpeg) ?? Promise.resolve(undefined),
    ]);
    const kept: Snapshot = {
      ...(file.status === 'fulfilled' && file.value && { filename: file.value }),
      ...(picture.status === 'fulfilled' && picture.value && { picture: picture.value }),
    };
    const problem = [file, picture].find((one) => one.status === 'rejected');
    if (!problem) return kept;
    const error = EngineError.from(problem.reason, 'EDISK', 'the snapshot cannot be written: ');
    if (!kept.filename && !kept.picture) throw error;
    this.events.failed(error);
    return kept;
  }

  private async write(jpeg: Buffer): Promise<string> {
    const file = await this.newFile('.jpg');
    const problem = await lackOfRoom(dirname(file), this.options.minFree);
    if (problem) throw new EngineError('EDISK', `the snapshot cannot be written: ${problem}`);
    try {
      await writeFile(file, jpeg, { flag: 'wx' });
      return file;
    } catch (thrown) {
      // Another program has just taken that name.
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return this.write(jpeg);
      // An incomplete file is removed.
      await rm(file, { force: true }).catch(() => undefined);
      throw EngineError.from(thrown, 'EDISK', 'the snapshot cannot be written: ');
    }
  }

  private async begin(): Promise<string> {
    const file = await this.newFile('.mp4');
    const { ffmpeg, minFree } = this.options;
    const writer = new Recording(
      { ffmpeg, file, minFree },
      {
        failed: (error) => {
          this.forget(writer);
          this.events.failed(error);
        },
        leftOut: (pictures) => this.events.leftOut(pictures, file),
      },
    );
    this.recording = { writer, file };
    await this.feed.add(writer);
    return file;
  }

  private forget(writer: Recording): void {
    this.feed.remove(writer);
    if (this.recording?.writer === writer) this.recording = undefined;
  }

  private async newFile(extension: string): Promise<string> {
    if (!this.options.folder)
      throw new EngineError('EBADPARAM', 'this sink has no folder for recordings and snapshots: name one in its dialog');
    const folder = resolve(this.options.folder);
    await mkdir(folder, { recursive: true }).catch((thrown: Error) => {
      throw EngineError.from(thrown, 'EDISK', `the folder ${folder} cannot be written: `);
    });
    const time = wallTime(Date.now(), true);
    if (time !== this.last.time) this.last = { time, number: 0 };
    for (;;) {
      const number = ++this.last.number;
      const file = join(folder, `${this.name} ${time}${number > 1 ? ` ${number}` : ''}${extension}`);
      const isTaken = await access(file).then(
        () => true,
        () => false,
      );
      if (!isTaken) return file;
    }
  }
}
