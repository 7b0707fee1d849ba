import { EngineError } from '../../../engine/errors';
import { copyOf, type Picture } from '../../../engine/image/picture';
import { NewestWins } from '../../../engine/util/newest-wins';
import { toJpeg } from '../common/jpeg';
import { jpegSize } from '../../../engine/image/jpeg-header';
import { wakeAll } from '../common/rest';
import type { ShownPicture, Viewer } from '../web/viewer';

const JPEG_QUALITY = 85;
/** Somebody who has just gone may come back, as a page that is loaded anew does, or ask for the next JPEG. */
const LINGER_MS = 3000;
/** How long to wait for a picture that is rendered because somebody asks, ms; after that the one before is sent. */
const FRESH_MS = 2000;
/** Pixels a side. */
const LARGEST_BLACK = 2048;

/** What a sink shows out of its hours: black, or its last picture. */
export type ClosedLook = 'black' | 'still';

/** A picture whose JPEG is made at most once, and only when somebody asks for it. */
class Frame {
  private encoding: Promise<ShownPicture> | undefined;
  readonly arrivedAt = performance.now();
  /** For screens that show the same picture at the same time: ms since 1970. */
  private readonly at = Date.now();

  constructor(
    private readonly picture: Picture | (() => Promise<Picture>),
    private readonly info: unknown,
  ) {}

  shown(): Promise<ShownPicture> {
    this.encoding ??= this.encode();
    return this.encoding;
  }

  /** Black in the size that this picture has as JPEG: programs that read along keep the size in which they begin. */
  black(): Frame {
    return new Frame(async () => blackPicture(jpegSize((await this.shown()).jpeg)), {});
  }

  private async encode(): Promise<ShownPicture> {
    const picture = typeof this.picture === 'function' ? await this.picture() : this.picture;
    return { jpeg: await toJpeg(picture, JPEG_QUALITY), frame: this.info, at: this.at };
  }
}

/** The newest picture of one sink and those who look at it. */
export class SinkFeed {
  private readonly audience = new Set<Viewer>();
  private newest: Frame | undefined;
  private readonly encodings = new NewestWins();
  private lastLook = -Infinity;
  private isFrozen = false;
  private isDark = false;
  /** What is shown out of opening hours. */
  private closed: ClosedLook | undefined;
  private isCurtainDown = false;
  /** What viewers without a curtain of their own get meanwhile; undefined before the first picture, which says how large it is. */
  private black: Frame | undefined;
  private readonly awaiting = new Set<() => void>();

  /**
   * @param onError told about a picture that a viewer wanted and that cannot be read
   * @param wake wakes denoisers that rested because nobody looked; tells whether a picture is coming
   */
  constructor(
    private readonly onError: (error: EngineError) => void,
    private readonly wake: () => boolean = wakeAll,
  ) {}

  /** Whether somebody sees the pictures: a viewer, a recording, who has just gone or has just asked for a JPEG. */
  get isLookedAt(): boolean {
    if (this.closed) return false;
    return this.audience.size > 0 || performance.now() - this.lastLook < LINGER_MS;
  }

  /** Somebody looks, or is about to. @returns whether a picture is coming that is newer than the newest */
  look(): boolean {
    this.lastLook = performance.now();
    return this.wake();
  }

  get viewers(): number {
    return this.audience.size;
  }

  /**
   * Makes this the newest picture. It is encoded only if somebody looks on; one that is overtaken meanwhile is not.
   * @param info `msg.frame`, for viewers that ask for it
   */
  show(picture: Picture, info?: unknown): void {
    if (this.isFrozen || (this.closed === 'still' && this.newest)) return;
    // A copy: it may be asked for long after its message, and the flow may draw on the same bytes meanwhile.
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

  /** Holds what is shown until this is taken back; what comes meanwhile is left out. */
  freeze(on: boolean): void {
    this.isFrozen = on;
  }

  /**
   * Black for the audience, or the pictures again.
   * @param fadeMs for viewers that can fade; the others change at once
   */
  blackout(on: boolean, fadeMs = 0): void {
    this.isDark = on;
    this.darken(fadeMs);
  }

  /** Out of opening hours nobody counts as somebody who looks on. @param look what is shown meanwhile; undefined: it is open */
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

  /** Black, or the newest picture, to viewers without a curtain of their own, if that is still what they are to see when it is encoded. */
  private showPlainly(): void {
    const frame = this.plainFrame();
    void (frame && this.encoded(frame))?.then((shown) => {
      if (!shown || frame !== this.plainFrame()) return;
      for (const viewer of this.audience) if (!viewer.curtain) viewer.show(shown);
    });
  }

  /** What viewers without a curtain of their own are to see now. */
  private plainFrame(): Frame | undefined {
    if (!this.isBlack) return this.newest;
    this.black ??= this.newest?.black();
    return this.black;
  }

  /** What the audience sees, as JPEG. */
  async shownJpeg(): Promise<Buffer | undefined> {
    if (!this.isBlack) return this.newestJpeg();
    return (await this.encoded(this.plainFrame() ?? new Frame(blackPicture(), {})))?.jpeg;
  }

  /** Forgets the newest picture; viewers keep what they see until the next one. */
  reset(): void {
    this.newest = undefined;
  }

  /** The newest picture as JPEG; rendered now where the flow rested because nobody looked; undefined when there is none. */
  async newestJpeg(): Promise<Buffer | undefined> {
    if (this.look()) await this.next();
    return this.newest && (await this.encoded(this.newest))?.jpeg;
  }

  /** Since the newest picture came, ms; 0 while there is none. */
  get age(): number {
    return this.newest ? performance.now() - this.newest.arrivedAt : 0;
  }

  /** The viewer sees everything from now on, beginning with the newest picture, until it is removed or the feed closes. */
  async add(viewer: Viewer): Promise<void> {
    this.audience.add(viewer);
    this.look();
    if (this.isBlack) viewer.curtain?.(true, 0);
    const wanted = (): Frame | undefined => (viewer.curtain ? this.newest : this.plainFrame());
    const frame = wanted();
    const shown = frame && (await this.encoded(frame));
    // Whatever came while this one was encoded has been shown already.
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

  /** Resolves with the next picture, or when that has been long in coming. */
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
      // Told once: a frame that is no longer the newest has been reported or overtaken.
      if (this.newest === frame) {
        this.newest = undefined;
        this.onError(EngineError.from(thrown, 'EBADFRAME'));
      }
      return undefined;
    }
  }
}

/** A black picture of a size; a header may claim one that no machine has room for. */
function blackPicture(size = { width: 512, height: 512 }): Picture {
  const share = Math.min(1, LARGEST_BLACK / Math.max(size.width, size.height));
  const [width, height] = [Math.max(1, Math.round(size.width * share)), Math.max(1, Math.round(size.height * share))];
  return { kind: 'raw', data: new Uint8Array(width * height * 3), width, height, channels: 3 };
}
