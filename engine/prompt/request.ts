/**
 * The ids of the pictures that are shown with a prompt, by the names of the adapters that show them; see `pictureId`.
 * The name `image` stands for every adapter that shows one.
 */
export type PictureIds = Readonly<Record<string, string>>;
export const ANY_ADAPTER = 'image';

/** A text and its weight in a blend. */
export interface WeightedText {
  text: string;
  weight: number;
  /** Pictures that belong to this text, instead of those of the whole prompt. */
  images?: PictureIds;
}

/**
 * How the texts of a list become one conditioning: `linear`, the weighted mean; `slerp`, the weighted mean on the
 * sphere; `cosine`, the same with more weight for texts that agree with the others.
 */
export type BlendMethod = 'linear' | 'slerp' | 'cosine';
export const BLEND_METHODS = ['linear', 'slerp', 'cosine'] as const satisfies readonly BlendMethod[];

/** The way between two conditionings: straight, or along the sphere. */
export type TransitionMethod = 'linear' | 'slerp';
export const TRANSITION_METHODS = ['linear', 'slerp'] as const satisfies readonly TransitionMethod[];

/**
 * What changes evenly with a transition's position: `embedding`, the conditioning itself; `picture`, the pictures made with
 * it, as far as that can be found out during the transition, and the conditioning follows.
 */
export type TransitionPace = 'picture' | 'embedding';
export const TRANSITION_PACES = ['picture', 'embedding'] as const satisfies readonly TransitionPace[];

/**
 * Plain JSON that fully determines a conditioning. Weights are normalised; without a positive sum they count as equal.
 * `prompt`, `negativePrompt` and `blend` stand alone or are the target of a transition.
 */
export interface PromptSpec {
  prompt: WeightedText[];
  negativePrompt?: WeightedText[];
  /** Pictures of the whole prompt. */
  images?: PictureIds;
  /** Default linear. */
  blend?: BlendMethod;
  transition?: Transition;
}

/** A conditioning on the way to another one. */
export interface Transition {
  /** The start, which may have been on its way itself. */
  from: PromptSpec;
  /** How much of it is over, 0..1. */
  position: number;
  /** Default linear. */
  method?: TransitionMethod;
  /** Default picture. */
  pace?: TransitionPace;
}

/** The prompt without its own pictures or those of the prompts that it comes from. */
export function withoutImages({ images: _images, prompt, transition, ...rest }: PromptSpec): PromptSpec {
  return {
    ...rest,
    prompt: prompt.map(({ images: _own, ...text }) => text),
    ...(transition && { transition: { ...transition, from: withoutImages(transition.from) } }),
  };
}

/** The ids of the pictures of a prompt and of the prompts that it comes from, each once. */
export function imagesIn({ images, prompt, transition }: PromptSpec): string[] {
  const own = [images, ...prompt.map((text) => text.images)].flatMap((ids) => Object.values(ids ?? {}));
  return [...new Set([...own, ...(transition ? imagesIn(transition.from) : [])])];
}
