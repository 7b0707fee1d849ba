import { EngineError } from '../../../engine/errors';
import { Backoff } from '../../../engine/util/backoff';
import { FfmpegWriter, fitInto } from '../ffmpeg/writer';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { PART_BEGINS, partOf } from '../web/multipart';
import type { ShownPicture, Viewer } from '../web/viewer';

/** The pauses before ffmpeg is started again after a failure, ms. */
const RETRIES = { first: 1000, last: 30_000 };
/** After this time without a fault the retries start over. */
const SOUND_MS = 10_000;

export interface VirtualCameraOptions {
  /** ffmpeg's path, or its name on PATH. */
  ffmpeg: string;
  /** The video device that other programs read as a camera, such as /dev/video10. */
  device: string;
}

/**
 * Plays a sink's pictures into a V4L2 loopback device, a camera for other programs (OBS, a video call, a VJ program), through an
 * ffmpeg process that starts with the first picture. When that fails, it is restarted with a later picture after growing pauses.
 * The device keeps the size of the first picture; pictures of another size are fitted in.
 */
export class VirtualCamera implements Viewer {
  private writer: FfmpegWriter | undefined;
  private readonly backoff = new Backoff(RETRIES);
  private notBefore = 0;
  private isOver = false;

  /** @param onFailure called each time it fails; it retries by itself */
  constructor(
    private readonly options: VirtualCameraOptions,
    private readonly onFailure: (error: EngineError) => void,
  ) {}

  get isPlaying(): boolean {
    return this.writer !== undefined;
  }

  show({ jpeg }: ShownPicture): void {
    if (this.isOver) return;
    if (!this.writer && performance.now() < this.notBefore) return;
    this.writer ??= this.start(jpeg);
    this.writer?.write(Buffer.concat([PART_BEGINS, partOf(jpeg)]));
  }

  end(): void {
    void this.finish();
  }

  /** Resolves when the device is free again. */
  async finish(): Promise<void> {
    this.isOver = true;
    await this.writer?.end();
  }

  private start(first: Buffer): FfmpegWriter | undefined {
    const { ffmpeg, device } = this.options;
    const size = jpegSize(first);
    // The feed never shows a picture without a size.
    if (!size) return undefined;
    const { width, height } = size;
    const startedAt = performance.now();
    const writer = new FfmpegWriter(ffmpeg, virtualCameraArguments(device, width, height), ({ reason }) => {
      if (this.writer === writer) this.writer = undefined;
      if (this.isOver) return;
      if (performance.now() - startedAt > SOUND_MS) this.backoff.reset();
      this.notBefore = performance.now() + this.backoff.next();
      this.onFailure(new EngineError('ESOURCE', `the virtual camera ${device} cannot be played to: ${reason}`));
    });
    return writer;
  }
}

/**
 * ffmpeg's arguments, so that each picture is passed on as soon as it arrives. In a multipart stream ffmpeg knows where a picture
 * ends; with concatenated JPEGs it would hold each one back until the next begins, and so would a second thread. Pictures without
 * times count as 25 a second, so that none is doubled or left out.
 */
export function virtualCameraArguments(device: string, width: number, height: number): string[] {
  return [
    '-hide_banner',
    '-loglevel',
    'error',
    '-probesize',
    '32',
    '-analyzeduration',
    '0',
    '-f',
    'mpjpeg',
    '-i',
    'pipe:0',
    '-vf',
    fitInto(width, height),
    '-pix_fmt',
    'yuv420p',
    '-threads',
    '1',
    '-f',
    'v4l2',
    device,
  ];
}
