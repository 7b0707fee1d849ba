import type { NodeMessage } from 'node-red';
import { codecPool } from '../../../engine/image/codec-pool';
import { copyOf, isSamePicture, type Picture, toPicture } from '../../../engine/image/picture';
import { sampleThumbnail } from '../../../engine/image/pixels';
import type { SimilarityFilter } from '../../../engine/diffusion/similarity-filter';
import { readPictures } from '../common/pictures';
import { NewestWins } from '../../../engine/util/newest-wins';

/** Files up to this size are kept for comparison with the next one, bytes. */
const MOST_KEPT = 1024 * 1024;

export type Verdict = 'passed' | 'skipped';

/** The similarity filter of one topic, with the frame that is being looked at and the one that waits. */
export class FilterTopic {
  private readonly queue = new NewestWins();
  private settings: string | undefined;
  /** The last file of each picture, and what it looks like. */
  private readonly last = new Map<string, { picture: Picture; pixels: Float32Array }>();

  /** @param size of the thumbnails that are compared, pixels along each side; 32 if left out */
  constructor(
    private readonly filter: SimilarityFilter,
    private readonly size?: number,
  ) {}

  /**
   * Compares the message's pictures, off the calling thread, and tells the verdict; in the order in which frames came.
   * A frame that a newer one replaced gets none. Rejects with EBADFRAME when the payload, or one of `msg.pictures`, is not a picture.
   */
  async judge(msg: NodeMessage, tell: (verdict: Verdict) => void): Promise<void> {
    const further = msg.pictures === undefined ? {} : readPictures(msg.pictures);
    // As they are now: whoever sent them may draw on the same bytes while the frame waits, or for the next one.
    const seen = Object.entries({ ...further, image: toPicture(msg.payload) }).map(
      ([name, picture]) => [name, picture.kind === 'raw' ? sampleThumbnail(picture, this.size) : copyOf(picture)] as const,
    );
    await this.queue.run(async () => {
      const pixels = await Promise.all(
        seen.map(async ([name, each]) => [name, each instanceof Float32Array ? each : await this.pixelsOf(name, each)] as const),
      );
      this.forgetBut(pixels.map(([name]) => name));
      this.expectSettings(msg);
      tell(this.filter.accepts(Object.fromEntries(pixels)) ? 'passed' : 'skipped');
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
  private async pixelsOf(name: string, picture: Picture): Promise<Float32Array> {
    const last = this.last.get(name);
    if (last && isSamePicture(last.picture, picture)) return last.pixels;
    const pixels = await codecPool.thumbnail(picture, this.size);
    if (picture.data.length <= MOST_KEPT) this.last.set(name, { picture, pixels });
    else this.last.delete(name);
    return pixels;
  }

  private forgetBut(names: string[]): void {
    for (const name of this.last.keys()) if (!names.includes(name)) this.last.delete(name);
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
