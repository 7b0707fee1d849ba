import { EngineError } from '../../engine/errors';
import type { Picture } from '../../engine/image/picture';
import { toJpeg } from './jpeg';
import type { ShownPicture, Viewer } from './viewer';

const JPEG_QUALITY = 85;

/** A picture whose JPEG is made at most once, and only when somebody asks for it. */
class Frame {
  private encoding: Promise<ShownPicture> | undefined;
  readonly arrivedAt = performance.now();

  constructor(
    private readonly picture: Picture,
    private readonly info: unknown,
  ) {}

  shown(): Promise<ShownPicture> {
    this.encoding ??= toJpeg(this.picture, JPEG_QUALITY).then((jpeg) => ({ jpeg, frame: this.info }));
    return this.encoding;
  }
}

/** The newest picture of one sink and those who look at it. */
export class SinkFeed {
  private readonly audience = new Set<Viewer>();
  private newest: Frame | undefined;
  private turn: Promise<void> = Promise.resolve();

  /** @param onError told about a picture that a viewer wanted and that cannot be read */
  constructor(private readonly onError: (error: EngineError) => void) {}

  get viewers(): number {
    return this.audience.size;
  }

  /**
   * Makes this the newest picture. It is encoded only if somebody looks on; one that is overtaken meanwhile is not.
   * @param info `msg.frame`, for viewers that ask for it
   */
  show(picture: Picture, info?: unknown): void {
    const frame = new Frame(picture, info);
    this.newest = frame;
    if (this.audience.size === 0) return;
    this.turn = this.turn.then(async () => {
      if (this.newest !== frame) return;
      const shown = await this.encoded(frame);
      if (shown) for (const viewer of this.audience) viewer.show(shown);
    });
  }

  /** Forgets the newest picture; viewers keep what they see until the next one. */
  reset(): void {
    this.newest = undefined;
  }

  /** The newest picture as JPEG; undefined when there is none. */
  async newestJpeg(): Promise<Buffer | undefined> {
    return this.newest && (await this.encoded(this.newest))?.jpeg;
  }

  /** Since the newest picture came, ms; 0 while there is none. */
  get age(): number {
    return this.newest ? performance.now() - this.newest.arrivedAt : 0;
  }

  /** The viewer sees everything from now on, beginning with the newest picture, until it is removed or the feed closes. */
  async add(viewer: Viewer): Promise<void> {
    this.audience.add(viewer);
    const frame = this.newest;
    const shown = frame && (await this.encoded(frame));
    // Whatever came while this one was encoded has been shown already.
    if (shown && frame === this.newest && this.audience.has(viewer)) viewer.show(shown);
  }

  remove(viewer: Viewer): void {
    this.audience.delete(viewer);
  }

  close(): void {
    this.newest = undefined;
    for (const viewer of this.audience) viewer.end();
    this.audience.clear();
  }

  private async encoded(frame: Frame): Promise<ShownPicture | undefined> {
    try {
      return await frame.shown();
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
