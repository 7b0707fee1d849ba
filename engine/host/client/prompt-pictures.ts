import { EngineError } from '../../errors';
import { copyOf, type Picture } from '../../image/picture';
import { pictureId } from '../../image/picture-id';
import { imagesIn, type PromptSpec } from '../../prompt/request';
import { quote } from '../../util/quote';

/** The largest picture of a prompt, bytes: a phone's photograph, or 1080p as raw pixels with alpha. */
export const LARGEST_PROMPT_PICTURE = 8 * 2 ** 20;
/** The most bytes of pictures that are kept although no prompt in use has them. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_PICTURES = 256;

/**
 * The pictures of prompts, undecoded, by a hash of their content: prompts name them, and engines ask for those that they do
 * not know. Pictures of a prompt in use (see {@link hold}) are kept; of the others, the newest.
 */
export class PromptPictures {
  /** Oldest first. */
  private readonly recent = new Map<string, Picture>();
  private bytes = 0;
  private readonly alive = new Map<string, WeakRef<Picture>>();
  private readonly held = new WeakMap<PromptSpec, Picture[]>();
  private readonly gone = new FinalizationRegistry<string>((id) => {
    if (!this.alive.get(id)?.deref()) this.alive.delete(id);
  });

  constructor(
    private readonly mostBytes = MOST_BYTES,
    private readonly most = MOST_PICTURES,
  ) {}

  /**
   * Keeps a copy of a picture: its sender may reuse the buffer.
   *
   * @returns its id
   * @throws EBADFRAME for one that is too large
   */
  put(picture: Picture): string {
    const { length } = picture.data;
    if (length > LARGEST_PROMPT_PICTURE)
      throw new EngineError(
        'EBADFRAME',
        `a picture of a prompt may have ${LARGEST_PROMPT_PICTURE / 2 ** 20} MiB, not ${(length / 2 ** 20).toFixed(1)}; make it smaller, it is seen at 224 × 224 or so`,
      );
    const id = pictureId(picture);
    if (this.get(id)) return id;
    const own = copyOf(picture);
    this.alive.set(id, new WeakRef(own));
    this.gone.register(own, id);
    this.touch(id, own);
    return id;
  }

  get(id: string): Picture | undefined {
    const picture = this.recent.get(id) ?? this.alive.get(id)?.deref();
    if (picture) this.touch(id, picture);
    return picture;
  }

  /**
   * Keeps the pictures of a prompt, and of the one that it changes from, for as long as this object is referenced.
   *
   * @throws EBADPROMPT where one is no longer kept
   */
  hold(prompt: PromptSpec): void {
    const ids = imagesIn(prompt);
    if (ids.length === 0 || this.held.has(prompt)) return;
    const pictures = ids.map((id) => {
      const picture = this.get(id);
      if (picture) return picture;
      throw new EngineError(
        'EBADPROMPT',
        `the prompt names a picture (${quote(id)}) that is no longer kept; send it again through a prompt encoder`,
      );
    });
    this.held.set(prompt, pictures);
  }

  private touch(id: string, picture: Picture): void {
    if (!this.recent.delete(id)) this.bytes += picture.data.length;
    this.recent.set(id, picture);
    for (const [oldest, { data }] of this.recent) {
      if (this.bytes <= this.mostBytes && this.recent.size <= this.most) break;
      this.recent.delete(oldest);
      this.bytes -= data.length;
    }
  }
}

/** The pictures of this process. */
export const PROMPT_PICTURES = new PromptPictures();
