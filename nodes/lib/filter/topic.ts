import type { NodeMessage } from 'node-red';
import { codecPool } from '../../../engine/image/codec-pool';
import { copyOf, isSamePicture, type Picture, toPicture } from '../../../engine/image/picture';
import { sampleThumbnail } from '../../../engine/image/pixels';
import type { SimilarityFilter } from '../../../engine/diffusion/similarity-filter';
import { readPictures } from '../common/pictures';
import { NewestWins } from '../../../engine/util/newest-wins';

/** Files up to this size are kept, to recognise the same file, bytes. */
const MOST_KEPT = 1024 * 1024;

export type Verdict = 'passed' | 'skipped';

/** The similarity filter of one topic: one frame is being compared, and one waits. */
export class FilterTopic {
  private readonly queue = new NewestWins();
  private settings: string | undefined;
  /** The last file of each picture, and its thumbnail. */
  private readonly last = new Map<string, { picture: Picture; pixels: Float32Array }>();

  /** @param size the side of the thumbnails that are compared, pixels; 32 if left out */
  constructor(
    private readonly filter: SimilarityFilter,
    private readonly size?: number,
  ) {}

  /**
   * Compares the message's pictures, off the calling thread, and reports the verdict, in the order of the frames.
   * A frame that a newer one replaced gets none. Rejects with EBADFRAME when the payload, or one of `msg.pictures`, is not a picture.
   */
  async judge(msg: NodeMessage, tell: (verdict: Verdict) => void): Promise<void> {
    const further = msg.pictures === undefined ? {} : readPictures(msg.pictures);
    // Copied, since the sender may reuse the buffers for the next frame while this one waits.
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

  /** Lets the next frame pass. */
  reset(): void {
    this.filter.reset();
  }

  /** Settles a waiting frame without a verdict. */
  close(): void {
    this.queue.clear();
  }

  /** The thumbnail of a picture. A still source often sends the same file again, which is not decoded again. */
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

  /** Lets the next frame pass if the message has other settings: the same picture then gives another result. */
  private expectSettings(msg: NodeMessage): void {
    const settings = asText([msg.conditioning, msg.params]);
    if (this.settings !== undefined && settings !== this.settings) this.filter.reset();
    this.settings = settings;
  }
}

/** The most values and characters that are compared; larger settings are invalid, which the denoiser reports. */
const MOST_VALUES = 2000;
const MOST_LETTERS = 250_000;

/** Settings in a form that can be compared; '' for those that are too large or contain themselves. */
function asText(settings: unknown): string {
  let [values, letters] = [0, 0];
  const count = (_name: string, value: unknown): unknown => {
    letters += typeof value === 'string' ? value.length : 0;
    // JSON.stringify walks a whole list once it has begun it.
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
