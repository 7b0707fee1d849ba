import { EngineError } from '../../errors';
import { decode } from '../../image/codec';
import { codecPool } from '../../image/codec-pool';
import { isQuick, type Picture } from '../../image/picture';
import { PromiseCache } from '../../prompt/promise-cache';
import type { PicturePrompt } from '../../prompt/prompt-embeds';
import type { ShowPictures } from '../../prompt/prompt-encoder';
import { ANY_ADAPTER, type PictureIds } from '../../prompt/request';
import type { RawImage } from '../../types';
import { LruCache } from '../../util/lru-cache';
import { quote } from '../../util/quote';
import type { Adapter, Nets } from './adapter';

/** The number of pictures whose tokens are kept, 12 to 128 KiB each. */
const KEPT = 64;
/** The number of invalid pictures that are remembered, so that they are not requested again. */
const FAILED_KEPT = 32;
/** The side of the square that a picture is cropped to where its adapter does not set one, pixels. */
const USUAL_SIZE = 224;

/** Gets a picture by its name (`pictureId`). Rejects with EBADPROMPT where there is none. */
export type FindPicture = (id: string) => Promise<Picture>;

const findNone: FindPicture = () => Promise.reject(new EngineError('EBADPROMPT', 'a picture of the prompt is missing'));

/** Encodes the pictures of prompts, each once, identified by its content. */
export class PicturePrompts {
  private readonly kept = new PromiseCache<PicturePrompt>(KEPT);
  private readonly failed = new LruCache<EngineError>(FAILED_KEPT);
  private readonly adapters: readonly Adapter[];

  /** @param find gets pictures that a prompt only names */
  constructor(
    adapters: readonly Adapter[],
    private readonly nets: Nets,
    private readonly find = findNone,
  ) {
    this.adapters = adapters.filter(({ picture }) => picture === 'prompt');
  }

  /**
   * Encodes the pictures of a prompt by their adapters. Rejects with EBADPARAM for a name that no such adapter has, EBADFRAME for
   * what is not a picture.
   *
   * @param brought pictures that came with the prompt, by their ids
   */
  show(brought: ReadonlyMap<string, RawImage> = new Map()): ShowPictures {
    return async (images) => {
      const shown = this.byAdapter(images).map(async ([adapter, id]) => [adapter.name, await this.encode(adapter, id, brought)] as const);
      return Object.fromEntries(await Promise.all(shown));
    };
  }

  /** Each picture with the adapter that shows it. @throws EBADPARAM */
  private byAdapter(images: PictureIds): [Adapter, string][] {
    const { adapters } = this;
    const stranger = Object.keys(images).find((name) => name !== ANY_ADAPTER && !adapters.some((adapter) => adapter.name === name));
    if (stranger !== undefined || (adapters.length === 0 && Object.keys(images).length > 0)) throw noAdapter(stranger, adapters);
    return adapters.flatMap((adapter) => {
      const id = images[adapter.name] ?? images[ANY_ADAPTER];
      return id === undefined ? [] : [[adapter, id]];
    });
  }

  private encode(adapter: Adapter, id: string, brought: ReadonlyMap<string, RawImage>): Promise<PicturePrompt> {
    const { encodePrompt, promptSize = USUAL_SIZE, name } = adapter;
    return this.kept.get(`${name}/${id}`, async () => {
      const known = this.failed.get(id);
      if (known) throw known;
      if (!encodePrompt) throw new EngineError('EINTERNAL', `the adapter ${quote(name)} shows no pictures`);
      const image = brought.get(id);
      const picture: Picture = image ? { kind: 'raw', ...image } : await this.find(id);
      return encodePrompt(await this.squared(id, picture, promptSize), this.nets);
    });
  }

  /** Decodes a light picture here, others in the codec's processes, which can be ended. */
  private async squared(id: string, picture: Picture, size: number): Promise<RawImage> {
    if (picture.kind === 'raw' && picture.width === size && picture.height === size && picture.channels === 3 && !picture.isBgr)
      return { ...picture, channels: 3 };
    try {
      return await (isQuick(picture) ? decode(picture, size, size) : codecPool.decode(picture, size, size));
    } catch (thrown) {
      const { code, message } = EngineError.from(thrown, 'EBADFRAME');
      const error = new EngineError(code, `a picture of the prompt: ${message}`, { cause: thrown });
      if (code === 'EBADFRAME') this.failed.set(id, error);
      throw error;
    }
  }
}

function noAdapter(name: string | undefined, adapters: readonly Adapter[]): EngineError {
  if (adapters.length === 0)
    return new EngineError(
      'EBADPARAM',
      `images: the prompt has a picture${name === undefined ? '' : ` for ${quote(name)}`}, and this engine has no adapter that shows one; add an IP-Adapter to the engine, or leave the picture out`,
    );
  return new EngineError(
    'EBADPARAM',
    `images: no IP-Adapter is called ${quote(name)}; there are ${adapters.map((each) => each.name).join(', ')}`,
  );
}
