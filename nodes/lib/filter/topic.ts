import type { NodeMessage } from 'node-red';
import { codecPool } from '../../../engine/image/codec-pool';
import { copyOf, isSamePicture, type Picture, toPicture } from '../../../engine/image/picture';
import { sampleThumbnail } from '../../../engine/image/pixels';
import type { SimilarityFilter } from '../../../engine/diffusion/similarity-filter';
import { NewestWins } from '../common/newest-wins';

/** Larger files are not kept to be compared with the next one, bytes. */
const MOST_KEPT = 1024 * 1024;

export type Verdict = 'passed' | 'skipped';

/** The similarity filter of one topic, with the frame that is being looked at and the one that waits. */
export class FilterTopic {
  private readonly queue = new NewestWins();
  private settings: string | undefined;
  private last: { picture: Picture; pixels: Float32Array } | undefined;

  /** @param size of the thumbnails that are compared, pixels along each side; 32 if left out */
  constructor(
    private readonly filter: SimilarityFilter,
    private readonly size?: number,
  ) {}

  /**
   * Compares the message's picture, off the calling thread, and tells the verdict; in the order in which frames came.
   * A frame that a newer one replaced gets none. Rejects with EBADFRAME when the payload is no picture.
   */
  async judge(msg: NodeMessage, tell: (verdict: Verdict) => void): Promise<void> {
    const picture = toPicture(msg.payload);
    // As it is now: whoever sent it may draw on the same bytes while the frame waits, or for the next one.
    const seen = picture.kind === 'raw' ? sampleThumbnail(picture, this.size) : copyOf(picture);
    await this.queue.run(async () => {
      const pixels = seen instanceof Float32Array ? seen : await this.pixelsOf(seen);
      this.expectSettings(msg);
      tell(this.filter.accepts(pixels) ? 'passed' : 'skipped');
    });
  }

  /** The next frame passes. */
  reset(): void {
    this.filter.reset();
  }

  /** Sends a waiting frame away without a verdict. */
  close(): void {
    this.queue.clear();
  }

  /** A still source often sends the very same file again: that need not be decoded. */
  private async pixelsOf(picture: Picture): Promise<Float32Array> {
    if (this.last && isSamePicture(this.last.picture, picture)) return this.last.pixels;
    const pixels = await codecPool.thumbnail(picture, this.size);
    this.last = picture.data.length <= MOST_KEPT ? { picture, pixels } : undefined;
    return pixels;
  }

  /** The same picture under another prompt or other parameters gives another result: it passes. */
  private expectSettings(msg: NodeMessage): void {
    const settings = asText([msg.conditioning, msg.params]);
    if (this.settings !== undefined && settings !== this.settings) this.filter.reset();
    this.settings = settings;
  }
}

/** More than settings have, of texts and values: the denoiser says what is wrong with them. */
const MOST_VALUES = 2000;
const MOST_LETTERS = 250_000;

/** Settings in a form that can be compared; '' for those that are none, since they are too large or contain themselves. */
function asText(settings: unknown): string {
  let [values, letters] = [0, 0];
  const count = (_name: string, value: unknown): unknown => {
    letters += typeof value === 'string' ? value.length : 0;
    // A list is walked through as a whole once it is begun.
    values += Array.isArray(value) ? value.length : 1;
    if (values > MOST_VALUES || letters > MOST_LETTERS || ArrayBuffer.isView(value)) throw new RangeError('too large');
    return value;
  };
  try {
    return JSON.stringify(settings, count);
  } catch {
    return '';
  }
}
