import { EvenPath } from './even-path';
import { between, type PromptEmbeds } from './prompt-embeds';
import type { TransitionMethod } from './request';

/** What a frame is drawn towards and, under guidance, away from. */
export interface EncodedPrompt {
  positive: PromptEmbeds;
  /** Undefined when neither a negative prompt nor a tokenizer to encode an empty one is there. */
  negative: PromptEmbeds | undefined;
  /** What of the prompts the model does not see, in sentences. */
  warnings: string[];
  /** The transition that this is part of, if it goes at the pace of the pictures. */
  way?: TransitionPath;
  /** The position on it, 0..1. */
  position?: number;
}

/** The way between two conditionings, and the pace at which a transition goes it. */
export class TransitionPath {
  readonly path = new EvenPath();
  /** How much of the transition is over, 0..1, by the last call of `at`. */
  time = 0;

  constructor(
    private readonly from: EncodedPrompt,
    private readonly to: EncodedPrompt,
    private readonly method: TransitionMethod | undefined,
  ) {}

  /** The conditioning of a transition of which so much is over, 0..1. */
  at(time: number): EncodedPrompt {
    this.time = time;
    const position = this.path.at(time);
    return { ...this.between(position), way: this, position };
  }

  /** The conditioning at a position of the way, 0..1. What is not seen of the texts that are being left has been said. */
  between(position: number): EncodedPrompt {
    const { from, to, method } = this;
    return {
      positive: between(from.positive, to.positive, position, method),
      negative: from.negative && to.negative && between(from.negative, to.negative, position, method),
      warnings: to.warnings,
    };
  }
}
