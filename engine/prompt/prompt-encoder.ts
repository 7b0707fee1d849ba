import { EngineError } from '../errors';
import type { Prompt } from '../types';
import { blend, type Conditioning } from './conditioning';
import type { PromptNet } from './text-encoder';

/** A text and its weight in a blend. */
export interface WeightedText {
  text: string;
  weight: number;
}

/** Plain JSON that fully determines a conditioning. Weights are normalised; all zero counts as equal. */
export interface ConditioningRequest {
  prompt: WeightedText[];
  negativePrompt?: WeightedText[];
}

/** What a frame is drawn towards and, under guidance, away from. */
export interface PromptConditioning {
  positive: Conditioning;
  /** Undefined when neither a negative prompt nor a tokenizer to encode an empty one is there. */
  negative: Conditioning | undefined;
  /** What of the prompts the model does not see, in sentences. */
  warnings: string[];
}

/** Turns prompts, as tokens, texts or weighted texts, into conditionings. */
export class PromptEncoder {
  constructor(private readonly textEncoder: PromptNet) {}

  /** @throws EBADPROMPT */
  async encode(prompt: Prompt | ConditioningRequest): Promise<PromptConditioning> {
    if ('tokenIds' in prompt) {
      const { tokenIds, negativeTokenIds } = prompt;
      return {
        positive: await this.textEncoder.encodeTokens(tokenIds),
        negative: negativeTokenIds ? await this.textEncoder.encodeTokens(negativeTokenIds) : await this.empty(),
        warnings: [],
      };
    }
    return {
      positive: await this.encodeTexts(prompt.prompt, 'prompt'),
      negative: await this.encodeTexts(prompt.negativePrompt ?? '', 'negativePrompt'),
      warnings: [...new Set([prompt.prompt, prompt.negativePrompt ?? ''].flatMap((texts) => this.warnings(texts)))],
    };
  }

  /** The conditioning of the empty prompt, where the model has a tokenizer. */
  private async empty(): Promise<Conditioning | undefined> {
    return this.textEncoder.readsTexts ? this.textEncoder.encodeText('') : undefined;
  }

  private warnings(texts: string | WeightedText[]): string[] {
    const all = typeof texts === 'string' ? [texts] : texts.map(({ text }) => text);
    return all.flatMap((text) => this.textEncoder.warnings(text));
  }

  private async encodeTexts(texts: string | WeightedText[], name: string): Promise<Conditioning> {
    if (typeof texts === 'string') return this.textEncoder.encodeText(texts);
    if (!Array.isArray(texts)) throw new EngineError('EBADPROMPT', `${name} must be a text or a list of { text, weight }; got ${typeof texts}`);
    if (texts.length === 0) return this.textEncoder.encodeText('');
    const parts = texts.map(async ({ text, weight }) => ({ conditioning: await this.textEncoder.encodeText(text), weight }));
    return blend(await Promise.all(parts));
  }
}
