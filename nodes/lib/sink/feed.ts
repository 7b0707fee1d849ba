import { EngineError } from '../../../engine/errors';
import { copyOf, type Picture } from '../../../engine/image/picture';
import { NewestWins } from '../../../engine/util/newest-wins';
import { toJpeg } from '../common/jpeg';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { wakeAll } from '../common/rest';
import type { ShownPicture, Viewer } from '../web/viewer';

const JPEG_QUALITY = 85;
/** A viewer who has just left still counts for this long, ms: a page may be reloading, or a client polling JPEGs. */
const LINGER_MS = 3000;
/** The longest wait for a picture that is rendered on request, ms; after that the previous one is sent. */
const FRESH_MS = 2000;
/** The longest side of a black picture, pixels. */
const LARGEST_BLACK = 2048;

/** The picture of a closed sink: black, or its last picture. */
export type ClosedLook = 'black' | 'still';

/** A picture whose JPEG is made at most once, and only on request. */
class Frame {
  private encoding: Promise<ShownPicture> | undefined;
  readonly arrivedAt = performance.now();
  /** When the picture arrived, ms since 1970, for screens that show the same picture at the same time. */
  private readonly at = Date.now();

  constructor(
    private readonly picture: Picture | (() => Promise<Picture>),
    private readonly info: unknown,
  ) {}

  shown(): Promise<ShownPicture> {
    this.encoding ??= this.encode();
    return this.encoding;
  }

  /** A black frame of this picture's size: programs that read the stream keep the size of its first picture. */
  black(): Frame {
    return new Frame(async () => blackPicture(jpegSize((await this.shown()).jpeg)), {});
  }

  private async encode(): Promise<ShownPicture> {
    const picture = typeof this.picture === 'function' ? await this.picture() : this.picture;
    return { jpeg: await toJpeg(picture, JPEG_QUALITY), frame: this.info, at: this.at };
  }
}

/** The newest picture of one sink, and its viewers. */
export class SinkFeed {
  private readonly audience = new Set<Viewer>();
  private newest: Frame | undefined;
  private readonly encodings = new NewestWins();
  private lastLook = -Infinity;
  private isFrozen = false;
  private isDark = false;
  /** The picture that is shown while the sink is closed; undefined while it is open. */
  private closed: ClosedLook | undefined;
  private isCurtainDown = false;
  /** The black frame for viewers that cannot draw black themselves; undefined before the first picture, which sets its size. */
  private black: Frame | undefined;
  private readonly awaiting = new Set<() => void>();

  /**
   * @param onError called when a picture that a viewer wanted cannot be read
   * @param wake wakes idle denoisers; returns whether a picture is coming
   */
  constructor(
    private readonly onError: (error: EngineError) => void,
    private readonly wake: () => boolean = wakeAll,
  ) {}

  /** Whether somebody watches: a viewer or a recording, one that has just left, or somebody who has just requested a JPEG. */
  get isLookedAt(): boolean {
    if (this.closed) return false;
    return this.audience.size > 0 || performance.now() - this.lastLook < LINGER_MS;
  }

  /** Somebody watches, or is about to. @returns whether a newer picture is coming */
  look(): boolean {
    this.lastLook = performance.now();
    return this.wake();
  }

  get viewers(): number {
    return this.audience.size;
  }

  /**
   * Makes this the newest picture. It is only encoded if somebody watches, and not if a newer one has arrived meanwhile.
   *
   * @param info `msg.frame`, for viewers that ask for it
   */
  show(picture: Picture, info?: unknown): void {
    if (this.isFrozen || (this.closed === 'still' && this.newest)) return;
    // Copied, since it may be requested long after its message, and the flow may reuse the buffer.
    const frame = new Frame(copyOf(picture), info);
    this.newest = frame;
    for (const come of this.awaiting) come();
    if (this.audience.size === 0) return;
    if (this.isBlack && !this.black) this.showPlainly();
    void this.encodings.run(async () => {
      if (this.newest !== frame) return;
      const shown = await this.encoded(frame);
      if (shown) for (const viewer of this.audience) if (!this.isBlack || viewer.curtain) viewer.show(shown);
    });
  }

  get isBlack(): boolean {
    return this.isCurtainDown;
  }

  get frozen(): boolean {
    return this.isFrozen;
  }

  /** Freezes the shown picture, or ends that; pictures that arrive meanwhile are not shown. */
  freeze(on: boolean): void {
    this.isFrozen = on;
  }

  /**
   * Shows black to the audience, or the pictures again.
   *
   * @param fadeMs the fade of viewers that can fade; others change at once
   */
  blackout(on: boolean, fadeMs = 0): void {
    this.isDark = on;
    this.darken(fadeMs);
  }

  /** Closes or opens the sink. While it is closed, nobody counts as watching. @param look the picture of a closed sink; undefined for open */
  close(look: ClosedLook | undefined, fadeMs = 0): void {
    this.closed = look;
    this.darken(fadeMs);
    if (!look) this.look();
  }

  private darken(fadeMs: number): void {
    const on = this.isDark || this.closed === 'black';
    if (on === this.isBlack) return;
    this.isCurtainDown = on;
    this.black = undefined;
    for (const viewer of this.audience) viewer.curtain?.(on, fadeMs);
    this.showPlainly();
  }

  /** Shows black or the newest picture to viewers that cannot draw black themselves, unless it is outdated by the time it is encoded. */
  private showPlainly(): void {
    const frame = this.plainFrame();
    void (frame && this.encoded(frame))?.then((shown) => {
      if (!shown || frame !== this.plainFrame()) return;
      for (const viewer of this.audience) if (!viewer.curtain) viewer.show(shown);
    });
  }

  /** The current frame for viewers that cannot draw black themselves. */
  private plainFrame(): Frame | undefined {
    if (!this.isBlack) return this.newest;
    this.black ??= this.newest?.black();
    return this.black;
  }

  /** The picture that the audience sees, as JPEG. */
  async shownJpeg(): Promise<Buffer | undefined> {
    if (!this.isBlack) return this.newestJpeg();
    return (await this.encoded(this.plainFrame() ?? new Frame(blackPicture(), {})))?.jpeg;
  }

  /** Forgets the newest picture; viewers keep what they see until the next one. */
  reset(): void {
    this.newest = undefined;
  }

  /** The newest picture as JPEG, rendered first if the flow was idle because nobody watched; undefined when there is none. */
  async newestJpeg(): Promise<Buffer | undefined> {
    if (this.look()) await this.next();
    return this.newest && (await this.encoded(this.newest))?.jpeg;
  }

  /** The age of the newest picture, ms; 0 while there is none. */
  get age(): number {
    return this.newest ? performance.now() - this.newest.arrivedAt : 0;
  }

  /** Adds a viewer, which gets the newest picture and all later ones until it is removed or the feed closes. */
  async add(viewer: Viewer): Promise<void> {
    this.audience.add(viewer);
    this.look();
    if (this.isBlack) viewer.curtain?.(true, 0);
    const wanted = (): Frame | undefined => (viewer.curtain ? this.newest : this.plainFrame());
    const frame = wanted();
    const shown = frame && (await this.encoded(frame));
    // Pictures that arrived while this one was encoded have already been shown.
    if (shown && frame === wanted() && this.audience.has(viewer)) viewer.show(shown);
  }

  remove(viewer: Viewer): void {
    if (this.audience.delete(viewer)) this.lastLook = performance.now();
  }

  end(): void {
    this.newest = undefined;
    for (const come of this.awaiting) come();
    for (const viewer of this.audience) viewer.end();
    this.audience.clear();
  }

  /** Resolves at the next picture, or after {@link FRESH_MS}. */
  private next(): Promise<void> {
    return new Promise((resolve) => {
      const come = (): void => {
        clearTimeout(limit);
        this.awaiting.delete(come);
        resolve();
      };
      const limit = setTimeout(come, FRESH_MS);
      this.awaiting.add(come);
    });
  }

  private async encoded(frame: Frame): Promise<ShownPicture | undefined> {
    try {
      return await frame.shown();
    } catch (thrown) {
      if (this.black === frame) this.black = undefined;
      // Reported once: a frame that is no longer the newest has already been reported or replaced.
      if (this.newest === frame) {
        this.newest = undefined;
        this.onError(EngineError.from(thrown, 'EBADFRAME'));
      }
      return undefined;
    }
  }
}

/** A black picture of a size, with a limit, since a header may claim any size. */
function blackPicture(size = { width: 512, height: 512 }): Picture {
  const share = Math.min(1, LARGEST_BLACK / Math.max(size.width, size.height));
  const [width, height] = [Math.max(1, Math.round(size.width * share)), Math.max(1, Math.round(size.height * share))];
  return { kind: 'raw', data: new Uint8Array(width * height * 3), width, height, channels: 3 };
}
