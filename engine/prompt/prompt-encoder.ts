import { EngineError } from '../errors';
import type { Prompt } from '../types';
import { LruCache } from '../util/lru-cache';
import { blend, type PromptEmbeds } from './prompt-embeds';
import { PromiseCache } from './promise-cache';
import {
  BLEND_METHODS,
  type BlendMethod,
  type PromptSpec,
  type Transition,
  TRANSITION_METHODS,
  TRANSITION_PACES,
  type WeightedText,
} from './request';
import type { PromptNet } from './text-encoder';
import { TransitionPath } from './transition-path';
import { quote } from '../util/quote';

/** Conditionings that are kept: of a transition its two ends, of a show its scenes. With two texts of 77 × 2048, 1.2 MiB each. */
const KEPT = 16;
/** Ways whose pace is remembered: of the transition under way, and of those of a few others that alternate with it. */
const PATHS_KEPT = 4;

/** What a frame is drawn towards and, under guidance, away from. */
export interface EncodedPrompt {
  positive: PromptEmbeds;
  /** Undefined when neither a negative prompt nor a tokenizer to encode an empty one is there. */
  negative: PromptEmbeds | undefined;
  /** What of the prompts the model does not see, in sentences. */
  warnings: string[];
  /** In a transition that goes at the pace of the pictures. */
  way?: TransitionPath;
  /** Where on it, 0..1. */
  position?: number;
}

/** Turns prompts, as tokens, texts or weighted texts, into conditionings. The net runs for new texts alone. */
export class PromptEncoder {
  private readonly kept = new PromiseCache<EncodedPrompt>(KEPT);
  private readonly ways = new LruCache<TransitionPath>(PATHS_KEPT);

  constructor(private readonly textEncoder: PromptNet) {}

  /** @throws EBADPROMPT */
  async encode(prompt: Prompt | PromptSpec): Promise<EncodedPrompt> {
    if ('tokenIds' in prompt) return this.encodeTokens(prompt);
    const { transition, ...target } = 'transition' in prompt ? prompt : { ...prompt, transition: undefined };
    const to = await this.kept.get(JSON.stringify(target), () => this.encodeTarget(target));
    if (!transition) return to;
    const { from, position, method, pace } = transition;
    checkTransition(transition);
    // Where it set out stays for the whole transition, and may itself be a blend of many.
    const start = await this.kept.get(JSON.stringify(from), () => this.encode({ ...from }));
    if (pace === 'embedding') return new TransitionPath(start, to, method).between(position);
    return this.ways.getOrMake(JSON.stringify([from, target, method]), () => new TransitionPath(start, to, method)).at(position);
  }

  private async encodeTokens({ tokenIds, negativeTokenIds }: Extract<Prompt, { tokenIds: number[] }>): Promise<EncodedPrompt> {
    return {
      positive: await this.textEncoder.encodeTokens(tokenIds),
      negative: negativeTokenIds ? await this.textEncoder.encodeTokens(negativeTokenIds) : await this.empty(),
      warnings: [],
    };
  }

  private async encodeTarget(target: Extract<Prompt, { prompt: string }> | PromptSpec): Promise<EncodedPrompt> {
    const { prompt, negativePrompt = '' } = target;
    const method = 'blend' in target ? target.blend : undefined;
    checkMethod(method, BLEND_METHODS, 'blend');
    return {
      positive: await this.encodeTexts(prompt, 'prompt', method, (text) => this.textEncoder.complete(text)),
      negative: await this.encodeTexts(negativePrompt, 'negativePrompt', method),
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

  /** @param complete puts what is added into each text, for itself: so a blend goes evenly from one to the other */
  private async encodeTexts(
    texts: string | WeightedText[],
    name: string,
    method: BlendMethod | undefined,
    complete = (text: string): string => text,
  ): Promise<PromptEmbeds> {
    const encode = (text: string): Promise<PromptEmbeds> => this.textEncoder.encodeText(complete(text));
    if (typeof texts === 'string') return encode(texts);
    if (!Array.isArray(texts))
      throw new EngineError('EBADPROMPT', `${name} must be a text or a list of { text, weight }; got ${typeof texts}`);
    if (texts.length === 0) return this.textEncoder.encodeText('');
    const parts = texts.map(async ({ text, weight }) => ({ conditioning: await encode(text), weight }));
    return blend(await Promise.all(parts), method);
  }
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
