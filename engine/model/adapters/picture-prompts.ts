import { createHash } from 'node:crypto';
import { EngineError } from '../../errors';
import { PromiseCache } from '../../prompt/promise-cache';
import type { EncodedPrompt } from '../../prompt/prompt-encoder';
import type { RawImage } from '../../types';
import { quote } from '../../util/quote';
import type { Adapter, Nets, PicturePrompt } from './adapter';

/** Pictures whose tokens are kept, whichever prompts they come with. */
const KEPT = 32;

/** What pictures become that come with prompts: each once, by its content. */
export class PicturePrompts {
  private readonly kept = new PromiseCache<PicturePrompt>(KEPT);

  constructor(
    private readonly adapters: readonly Adapter[],
    private readonly nets: Nets,
  ) {}

  /**
   * The prompt with the pictures that belong to it.
   *
   * @param images by the names of IP-Adapters
   * @throws EBADPARAM for a name that no such adapter has, EBADFRAME for what is no picture
   */
  async add(prompt: EncodedPrompt, images: Readonly<Record<string, RawImage>> = {}): Promise<EncodedPrompt> {
    const names = Object.keys(images);
    if (names.length === 0) return prompt;
    const encoded = await Promise.all(names.map(async (name) => [name, await this.encode(name, images[name])] as const));
    const side = (which: keyof PicturePrompt) => Object.fromEntries(encoded.map(([name, picture]) => [name, picture[which]]));
    return {
      ...prompt,
      positive: { ...prompt.positive, images: side('positive') },
      negative: prompt.negative && { ...prompt.negative, images: side('negative') },
    };
  }

  private async encode(name: string, image: RawImage): Promise<PicturePrompt> {
    const known = this.adapters.filter(({ picture }) => picture === 'prompt');
    const adapter = known.find((each) => each.name === name);
    if (!adapter?.encodePrompt) {
      const there = known.length > 0 ? `there are ${known.map((each) => each.name).join(', ')}` : 'this engine has none';
      throw new EngineError('EBADPARAM', `images: no IP-Adapter is called ${quote(name)}; ${there}`);
    }
    checkImage(name, image);
    const { data, width, height } = image;
    const hash = createHash('sha256').update(`${name}/${width}x${height}/`).update(data).digest('hex');
    const { encodePrompt } = adapter;
    return this.kept.get(hash, () => encodePrompt(image, this.nets));
  }
}

function checkImage(name: string, image: RawImage): void {
  const { data, width = 0, height = 0, channels } = image ?? {};
  const isWhole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (data instanceof Uint8Array && isWhole && channels === 3 && data.length === width * height * 3) return;
  throw new EngineError(
    'EBADFRAME',
    `the picture ${quote(name)} must be { data: Uint8Array of width*height*3 bytes, width, height, channels: 3 }`,
  );
}
