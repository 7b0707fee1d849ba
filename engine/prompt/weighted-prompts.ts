import { LruCache } from '../util/lru-cache';
import { type NamedPrompt, PromptEncoder, type ShowPictures } from './prompt-encoder';
import type { EncodedPrompt } from './transition-path';
import type { PromptNet } from './text-encoder';

/** For how many sets of strengths prompts are kept, since frames may alternate between some. */
const STRENGTHS_KEPT = 8;

/** A prompt encoder for every set of strengths of the text encoder's LoRAs. */
export class WeightedPrompts {
  private readonly encoders = new LruCache<PromptEncoder>(STRENGTHS_KEPT);

  constructor(private readonly textEncoder: PromptNet) {}

  /** Whether a prompt's conditioning depends on the strengths of adapters. */
  get dependOnWeights(): boolean {
    return this.textEncoder.loras.length > 0;
  }

  /**
   * @param show encodes the prompt's pictures by the adapters
   * @param weights by the adapters' names; those that are not named have 1
   * @throws EBADPROMPT
   */
  async encode(prompt: NamedPrompt, show: ShowPictures, weights: Readonly<Record<string, number>> = {}): Promise<EncodedPrompt> {
    const { textEncoder } = this;
    const key = textEncoder.loras.map((name) => weights[name] ?? 1).join();
    return this.encoders.getOrMake(key, () => new PromptEncoder(textEncoder.under(weights))).encode(prompt, show);
  }
}
