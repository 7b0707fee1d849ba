import { EngineError } from '../errors';
import type { Prompt } from '../types';
import { between, blend, type Conditioning } from './conditioning';
import { PromiseCache } from './promise-cache';
import { BLEND_METHODS, type BlendMethod, type ConditioningRequest, type Transition, TRANSITION_METHODS, type WeightedText } from './request';
import type { PromptNet } from './text-encoder';

/** Conditionings that are kept: of a transition its two ends, of a show its scenes. With two texts of 77 × 2048, 1.2 MiB each. */
const KEPT = 16;

/** What a frame is drawn towards and, under guidance, away from. */
export interface PromptConditioning {
  positive: Conditioning;
  /** Undefined when neither a negative prompt nor a tokenizer to encode an empty one is there. */
  negative: Conditioning | undefined;
  /** What of the prompts the model does not see, in sentences. */
  warnings: string[];
}

/** Turns prompts, as tokens, texts or weighted texts, into conditionings. The net runs for new texts alone. */
export class PromptEncoder {
  private readonly kept = new PromiseCache<PromptConditioning>(KEPT);

  constructor(private readonly textEncoder: PromptNet) {}

  /** @throws EBADPROMPT */
  async encode(prompt: Prompt | ConditioningRequest): Promise<PromptConditioning> {
    if ('tokenIds' in prompt) return this.encodeTokens(prompt);
    const { transition, ...target } = 'transition' in prompt ? prompt : { ...prompt, transition: undefined };
    const to = await this.kept.get(JSON.stringify(target), () => this.encodeTarget(target));
    if (!transition) return to;
    const { from } = transition;
    // Where it set out stays for the whole transition, and may itself be a blend of many.
    const start = await this.kept.get(JSON.stringify(from), () => this.encode({ ...from }));
    return onTheWay(start, to, transition);
  }

  private async encodeTokens({ tokenIds, negativeTokenIds }: Extract<Prompt, { tokenIds: number[] }>): Promise<PromptConditioning> {
    return {
      positive: await this.textEncoder.encodeTokens(tokenIds),
      negative: negativeTokenIds ? await this.textEncoder.encodeTokens(negativeTokenIds) : await this.empty(),
      warnings: [],
    };
  }

  private async encodeTarget(target: Extract<Prompt, { prompt: string }> | ConditioningRequest): Promise<PromptConditioning> {
    const { prompt, negativePrompt = '' } = target;
    const method = 'blend' in target ? target.blend : undefined;
    checkMethod(method, BLEND_METHODS, 'blend');
    return {
      positive: await this.encodeTexts(prompt, 'prompt', method),
      negative: await this.encodeTexts(negativePrompt, 'negativePrompt', method),
      warnings: [...new Set([prompt, negativePrompt].flatMap((texts) => this.warnings(texts)))],
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

  private async encodeTexts(texts: string | WeightedText[], name: string, method: BlendMethod | undefined): Promise<Conditioning> {
    if (typeof texts === 'string') return this.textEncoder.encodeText(texts);
    if (!Array.isArray(texts)) throw new EngineError('EBADPROMPT', `${name} must be a text or a list of { text, weight }; got ${typeof texts}`);
    if (texts.length === 0) return this.textEncoder.encodeText('');
    const parts = texts.map(async ({ text, weight }) => ({ conditioning: await this.textEncoder.encodeText(text), weight }));
    return blend(await Promise.all(parts), method);
  }
}

/** What is not seen of the texts that are being left has been said. */
function onTheWay(from: PromptConditioning, to: PromptConditioning, { position, method }: Transition): PromptConditioning {
  if (!Number.isFinite(position)) throw new EngineError('EBADPROMPT', `the position of a transition must be a number from 0 to 1, not ${position}`);
  checkMethod(method, TRANSITION_METHODS, 'the method of a transition');
  return {
    positive: between(from.positive, to.positive, position, method),
    negative: from.negative && to.negative && between(from.negative, to.negative, position, method),
    warnings: to.warnings,
  };
}

function checkMethod(method: string | undefined, known: readonly string[], name: string): void {
  if (method === undefined || known.includes(method)) return;
  throw new EngineError('EBADPROMPT', `${name} must be one of ${known.join(', ')}, not ${method}`);
}
