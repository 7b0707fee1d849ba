import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { EngineError } from '../../engine/errors';
import { onDisk } from '../../engine/hub/disk';
import type { RawImage } from '../../engine/types';
import { Ffmpeg, probeVideo, type VideoFacts } from './ffmpeg';
import type { Frame, FrameSink, FrameSource } from './frames';

export const VIDEO_EXTENSIONS = ['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.gif'];

/** The frames of a video file, at its own rate, as raw RGB from an ffmpeg process. */
export class VideoSource implements FrameSource {
  private constructor(
    readonly path: string,
    private readonly facts: VideoFacts,
  ) {}

  /** Rejects with ESOURCE when it is not a video. */
  static async open(path: string): Promise<VideoSource> {
    const absolute = resolve(path);
    return new VideoSource(absolute, await probeVideo(absolute));
  }

  get count(): number | undefined {
    return this.facts.frames;
  }

  /** Frames per second as a fraction. */
  get rate(): string {
    return this.facts.rate;
  }

  async *frames(width: number, height: number): AsyncGenerator<Frame> {
    // A phone's video has a variable frame rate; at a constant rate, picture and sound stay in sync.
    const filter = `fps=${this.rate},scale=${width}:${height}:force_original_aspect_ratio=increase:flags=lanczos,crop=${width}:${height}`;
    const args = ['-nostdin', '-i', `file:${this.path}`, '-map', '0:v:0', '-vf', filter, '-f', 'rawvideo', '-pix_fmt', 'rgb24', 'pipe:1'];
    const ffmpeg = new Ffmpeg('out', args, `${this.path} cannot be read`);
    try {
      let number = 0;
      for await (const data of inPieces(ffmpeg.output(), width * height * 3)) {
        number++;
        yield { name: `frame-${String(number).padStart(6, '0')}`, image: { data, width, height, channels: 3 } };
      }
      // ffmpeg continues after damaged data and at the end of a truncated file, which must be reported.
      if (ffmpeg.complaints) yield { name: `a part of ${basename(this.path)}`, error: new EngineError('ESOURCE', ffmpeg.complaints) };
    } finally {
      await ffmpeg.kill();
    }
  }
}

/** A video file, written by an ffmpeg process under another name and renamed when it is complete. */
export class VideoSink implements FrameSink {
  private ffmpeg: Ffmpeg | undefined;
  private readonly partial: string;

  /**
   * @param rate frames per second, as a number or a fraction
   * @param sound a file whose sound is added, if it has any
   */
  constructor(
    private readonly path: string,
    private readonly rate: string,
    private readonly sound?: string,
  ) {
    this.partial = join(dirname(resolve(path)), `.partial-${process.pid}-${basename(path)}`);
  }

  async write(_name: string, image: RawImage): Promise<void> {
    this.ffmpeg ??= await this.start(image);
    await this.ffmpeg.write(image.data);
  }

  async finish(): Promise<void> {
    if (!this.ffmpeg) return;
    await this.ffmpeg.end();
    await onDisk(() => rename(this.partial, this.path));
  }

  async abandon(): Promise<void> {
    await this.ffmpeg?.kill();
    await rm(this.partial, { force: true });
  }

  private async start({ width, height }: RawImage): Promise<Ffmpeg> {
    await onDisk(() => mkdir(dirname(this.partial), { recursive: true }));
    const extension = extname(this.path).toLowerCase();
    const args = ['-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', this.rate, '-i', 'pipe:0'];
    if (this.sound && extension !== '.gif') {
      args.push('-i', `file:${this.sound}`, '-map', '0:v:0', '-map', '1:a?');
      // In a container of the same kind the sound is copied; for another one ffmpeg chooses the codec.
      if (extname(this.sound).toLowerCase() === extension) args.push('-c:a', 'copy');
    }
    // Every player shows H.264 with half the colour resolution and the index at the front.
    if (['.mp4', '.m4v', '.mov', '.mkv'].includes(extension)) args.push('-c:v', 'libx264', '-crf', '18', '-pix_fmt', 'yuv420p');
    if (['.mp4', '.m4v', '.mov'].includes(extension)) args.push('-movflags', '+faststart');
    return new Ffmpeg('in', [...args, `file:${this.partial}`], `${this.path} cannot be written`);
  }
}

/** Splits a stream of bytes into pieces of equal length. */
async function* inPieces(chunks: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(length);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(piece, filled, at);
      at += copied;
      filled += copied;
      if (filled < length) continue;
      yield piece;
      piece = Buffer.allocUnsafe(length);
      filled = 0;
    }
  }
}
