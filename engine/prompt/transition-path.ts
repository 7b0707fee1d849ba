import { EvenPath } from './even-path';
import { between, type PromptEmbeds } from './prompt-embeds';
import type { TransitionMethod } from './request';

/** The conditioning that a frame is drawn towards and, with guidance, the one it is drawn away from. */
export interface EncodedPrompt {
  positive: PromptEmbeds;
  /** Undefined when there is neither a negative prompt nor a tokenizer to encode an empty one. */
  negative: PromptEmbeds | undefined;
  /** Sentences on the parts of the prompts that the model does not see. */
  warnings: string[];
  /** The transition that this is part of, if it follows the pace of the pictures. */
  way?: TransitionPath;
  /** The position on it, 0..1. */
  position?: number;
}

/** The way between two conditionings, and the pace of a transition along it. */
export class TransitionPath {
  readonly path = new EvenPath();
  /** How much of the transition is over, 0..1, as of the last call of `at`. */
  time = 0;

  constructor(
    private readonly from: EncodedPrompt,
    private readonly to: EncodedPrompt,
    private readonly method: TransitionMethod | undefined,
  ) {}

  /** The conditioning when this much of the transition is over, 0..1. */
  at(time: number): EncodedPrompt {
    this.time = time;
    const position = this.path.at(time);
    return { ...this.between(position), way: this, position };
  }

  /** The conditioning at a position on the way, 0..1. The warnings of the start were given before. */
  between(position: number): EncodedPrompt {
    const { from, to, method } = this;
    return {
      positive: between(from.positive, to.positive, position, method),
      negative: from.negative && to.negative && between(from.negative, to.negative, position, method),
      warnings: to.warnings,
    };
  }
}
