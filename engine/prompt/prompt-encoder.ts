import { EngineError } from '../errors';
import type { Prompt } from '../types';
import { LruCache } from '../util/lru-cache';
import { blend, type PicturePrompt, type PictureTokens, type PromptEmbeds, sideOf } from './prompt-embeds';
import { PromiseCache } from './promise-cache';
import {
  BLEND_METHODS,
  type BlendMethod,
  type PictureIds,
  type PromptSpec,
  type Transition,
  TRANSITION_METHODS,
  TRANSITION_PACES,
  type WeightedText,
} from './request';
import type { PromptNet } from './text-encoder';
import { type EncodedPrompt, TransitionPath } from './transition-path';
import { quote } from '../util/quote';

/** How many conditionings are kept: the ends of a transition, the scenes of a show. One with two texts of 77 × 2048 takes 1.2 MiB. */
const KEPT = 16;
/** For how many transitions the pace is remembered: the one under way, and a few that alternate with it. */
const PATHS_KEPT = 4;

/** A prompt whose pictures are named by their content. */
export type NamedPrompt = (WithoutImages<Prompt> & { images?: PictureIds }) | PromptSpec;
type WithoutImages<P> = P extends unknown ? Omit<P, 'images'> : never;

/** Encodes pictures by the adapters that show them; results are by the adapters' names. */
export type ShowPictures = (images: PictureIds) => Promise<Record<string, PicturePrompt>>;

const showNone: ShowPictures = () => Promise.reject(new EngineError('EBADPARAM', 'images: there is no adapter that shows a picture'));

/** Turns prompts, as tokens, texts or weighted texts, into conditionings. The net runs only for new texts. */
export class PromptEncoder {
  private readonly kept = new PromiseCache<EncodedPrompt>(KEPT);
  private readonly ways = new LruCache<TransitionPath>(PATHS_KEPT);

  constructor(private readonly textEncoder: PromptNet) {}

  /** Rejects with EBADPROMPT, and as `show` does. */
  async encode(prompt: NamedPrompt, show: ShowPictures = showNone): Promise<EncodedPrompt> {
    if ('tokenIds' in prompt) return this.encodeTokens(prompt, show);
    const { transition, ...target } = 'transition' in prompt ? prompt : { ...prompt, transition: undefined };
    const to = await this.kept.get(JSON.stringify(target), () => this.encodeTarget(target, show));
    if (!transition) return to;
    const { from, position, method, pace } = transition;
    checkTransition(transition);
    // The start stays the same for the whole transition, and may itself be a blend of many.
    const start = await this.kept.get(JSON.stringify(from), () => this.encode({ ...from }, show));
    if (pace === 'embedding') return new TransitionPath(start, to, method).between(position);
    return this.ways.getOrMake(JSON.stringify([from, target, method]), () => new TransitionPath(start, to, method)).at(position);
  }

  private async encodeTokens(
    { tokenIds, negativeTokenIds, images }: Extract<NamedPrompt, { tokenIds: number[] }>,
    show: ShowPictures,
  ): Promise<EncodedPrompt> {
    const positive = await this.textEncoder.encodeTokens(tokenIds);
    const negative = negativeTokenIds ? await this.textEncoder.encodeTokens(negativeTokenIds) : await this.empty();
    if (!images) return { positive, negative, warnings: [] };
    const shown = await show(images);
    return {
      positive: { ...positive, images: sideOf(shown, 'positive') },
      negative: negative && { ...negative, images: sideOf(shown, 'negative') },
      warnings: [],
    };
  }

  private async encodeTarget(target: Exclude<NamedPrompt, { tokenIds: number[] }>, show: ShowPictures): Promise<EncodedPrompt> {
    const { prompt, negativePrompt = '' } = target;
    const method = 'blend' in target ? target.blend : undefined;
    checkMethod(method, BLEND_METHODS, 'blend');
    const shown = await picturesOf(target, show);
    const encode = (side: keyof PicturePrompt): Promise<PromptEmbeds> =>
      this.encodeTexts(prompt, 'prompt', method, {
        complete: (text) => this.textEncoder.complete(text),
        images: shown?.map((pictures) => sideOf(pictures, side)),
      });
    const negative = await this.encodeTexts(negativePrompt, 'negativePrompt', method);
    return {
      positive: await encode('positive'),
      // Negative rows see their pictures as strongly as positive rows see theirs.
      negative: shown ? { ...negative, images: (await encode('negative')).images } : negative,
      warnings: [...new Set([prompt, negativePrompt].flatMap((texts) => this.warnings(texts)))],
    };
  }

  /** The conditioning of the empty prompt, where the model has a tokenizer. */
  private async empty(): Promise<PromptEmbeds | undefined> {
    return this.textEncoder.readsTexts ? this.textEncoder.encodeText('') : undefined;
  }

  private warnings(texts: string | WeightedText[]): string[] {
    const all = typeof texts === 'string' ? [texts] : texts.map(({ text }) => text);
    return all.flatMap((text) => this.textEncoder.warnings(text));
  }

  /**
   * @param options `complete` adds to each text by itself what the model's list of words adds to a prompt, so that a blend goes
   *   evenly from one to the other; `images` are those of each text
   */
  private async encodeTexts(
    texts: string | WeightedText[],
    name: string,
    method: BlendMethod | undefined,
    { complete = (text) => text, images }: { complete?: (text: string) => string; images?: Record<string, PictureTokens>[] } = {},
  ): Promise<PromptEmbeds> {
    if (typeof texts !== 'string' && !Array.isArray(texts))
      throw new EngineError('EBADPROMPT', `${name} must be a text or a list of { text, weight }; got ${typeof texts}`);
    const encode = async (text: string, k: number): Promise<PromptEmbeds> => {
      const embeds = await this.textEncoder.encodeText(text);
      return images ? { ...embeds, images: images[k] } : embeds;
    };
    if (texts.length === 0) return encode(typeof texts === 'string' ? complete('') : '', 0);
    if (typeof texts === 'string') return encode(complete(texts), 0);
    const parts = texts.map(async ({ text, weight }, k) => ({ conditioning: await encode(complete(text), k), weight }));
    return blend(await Promise.all(parts), method);
  }
}

/** The encoded pictures of each text; undefined where no text has any. */
async function picturesOf(
  { prompt, images }: Exclude<NamedPrompt, { tokenIds: number[] }>,
  show: ShowPictures,
): Promise<Record<string, PicturePrompt>[] | undefined> {
  const texts = Array.isArray(prompt) && prompt.length > 0 ? prompt : [{}];
  const each = texts.map((text: Partial<WeightedText>) => ({ ...images, ...text.images }));
  if (each.every((ids) => Object.keys(ids).length === 0)) return undefined;
  return Promise.all(each.map(show));
}

function checkTransition({ position, method, pace }: Transition): void {
  if (!Number.isFinite(position))
    throw new EngineError('EBADPROMPT', `the position of a transition must be a number from 0 to 1, not ${quote(position)}`);
  checkMethod(method, TRANSITION_METHODS, 'the method of a transition');
  checkMethod(pace, TRANSITION_PACES, 'the pace of a transition');
}

function checkMethod(method: string | undefined, known: readonly string[], name: string): void {
  if (method === undefined || known.includes(method)) return;
  throw new EngineError('EBADPROMPT', `${name} must be one of ${known.join(', ')}, not ${quote(method)}`);
}
