import type { ServerResponse } from 'node:http';
import { EngineError } from '../../engine/errors';
import type { Picture } from '../../engine/image/picture';
import { toJpeg } from './jpeg';
import { MjpegHub } from './mjpeg-hub';

const JPEG_QUALITY = 85;

/** A picture whose JPEG is made at most once, and only when somebody asks for it. */
class Frame {
  private encoding: Promise<Buffer> | undefined;

  constructor(private readonly picture: Picture) {}

  jpeg(): Promise<Buffer> {
    this.encoding ??= toJpeg(this.picture, JPEG_QUALITY);
    return this.encoding;
  }
}

/** The newest picture of one sink and those who look at it. */
export class SinkFeed {
  private readonly hub = new MjpegHub();
  private newest: Frame | undefined;
  private turn: Promise<void> = Promise.resolve();

  /** @param onError told about a picture that a viewer wanted and that cannot be read */
  constructor(private readonly onError: (error: EngineError) => void) {}

  get viewers(): number {
    return this.hub.size;
  }

  /** Makes this the newest picture. It is encoded only if somebody looks on; one that is overtaken meanwhile is not. */
  show(picture: Picture): void {
    const frame = new Frame(picture);
    this.newest = frame;
    if (this.hub.size === 0) return;
    this.turn = this.turn.then(async () => {
      if (this.newest !== frame) return;
      const jpeg = await this.jpegOf(frame);
      if (jpeg) this.hub.publish(jpeg);
    });
  }

  /** Forgets the newest picture; viewers keep what they see until the next one. */
  reset(): void {
    this.newest = undefined;
  }

  /** The newest picture as JPEG; undefined when there is none. */
  async newestJpeg(): Promise<Buffer | undefined> {
    return this.newest && this.jpegOf(this.newest);
  }

  /** Streams to `response` from now on, beginning with the newest picture. */
  async addViewer(response: ServerResponse): Promise<void> {
    const viewer = this.hub.add(response);
    const frame = this.newest;
    const jpeg = frame && (await this.jpegOf(frame));
    // Whatever came while this one was encoded has been shown already.
    if (jpeg && frame === this.newest) viewer.show(jpeg);
  }

  close(): void {
    this.newest = undefined;
    this.hub.close();
  }

  private async jpegOf(frame: Frame): Promise<Buffer | undefined> {
    try {
      return await frame.jpeg();
    } catch (thrown) {
      // Told once: a frame that is no longer the newest has been reported or overtaken.
      if (this.newest === frame) {
        this.newest = undefined;
        this.onError(EngineError.from(thrown, 'EBADFRAME'));
      }
      return undefined;
    }
  }
}
