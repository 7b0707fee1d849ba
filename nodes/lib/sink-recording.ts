import { dirname } from 'node:path';
import { EngineError } from '../../engine/errors';
import { lackOfRoom } from './disk-room';
import { FfmpegWriter, fitInto, reasonOf } from './ffmpeg-writer';
import { jpegSize } from './jpeg';
import type { ShownPicture, Viewer } from './viewer';

const GUARD_MS = 5000;

export interface RecordingOptions {
  /** ffmpeg's path, or its name to be found on PATH. */
  ffmpeg: string;
  file: string;
  /** Ends when the disk has less room than that, bytes. */
  minFree: number;
}

/**
 * Writes what a sink shows to an MP4 file, each picture at the moment when it was shown, through an ffmpeg process that
 * starts with the first picture (the first half second, while it starts, is run together). The file can be played up to
 * its last second even if the power fails.
 */
export class Recording implements Viewer {
  private writer: FfmpegWriter | undefined;
  private guard: NodeJS.Timeout | undefined;
  private isOver = false;

  /** @param onFailure told once, when it ends by itself; it must be removed from the feed then */
  constructor(
    private readonly options: RecordingOptions,
    private readonly onFailure: (error: EngineError) => void,
  ) {
    this.guard = setInterval(() => void this.checkDisk(), GUARD_MS).unref();
    void this.checkDisk();
  }

  show({ jpeg }: ShownPicture): void {
    if (this.isOver) return;
    this.writer ??= this.start(jpeg);
    this.writer.write(jpeg);
  }

  end(): void {
    void this.finish();
  }

  /** Resolves when the file is whole. */
  async finish(): Promise<void> {
    this.isOver = true;
    clearInterval(this.guard);
    await this.writer?.end();
  }

  private start(first: Buffer): FfmpegWriter {
    const { ffmpeg, file } = this.options;
    const { width = 2, height = 2 } = jpegSize(first) ?? {};
    return new FfmpegWriter(ffmpeg, recordingArguments(file, width, height), (exit) => {
      if (exit.code !== 0) this.fail(exit.spawnError ? 'ESOURCE' : 'EDISK', reasonOf(exit, ffmpeg));
    });
  }

  private async checkDisk(): Promise<void> {
    const { file, minFree } = this.options;
    const problem = await lackOfRoom(dirname(file), minFree);
    if (problem) this.fail('EDISK', problem);
  }

  private fail(code: 'ESOURCE' | 'EDISK', reason: string): void {
    if (this.isOver) return;
    void this.finish();
    this.onFailure(new EngineError(code, `the recording ${this.options.file} ended: ${reason}`));
  }
}

/** Pictures of another size that come later are fitted into the size of the first. */
function recordingArguments(file: string, width: number, height: number): string[] {
  return [
    '-hide_banner', '-loglevel', 'error', '-n',
    '-use_wallclock_as_timestamps', '1', '-framerate', '60', '-f', 'image2pipe', '-c:v', 'mjpeg', '-i', 'pipe:0',
    '-vf', fitInto(width, height),
    '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p', '-g', '60',
    '-movflags', '+frag_keyframe+empty_moov+default_base_moof', `file:${file}`,
  ];
}
