import { cosine } from '../util/vectors';
import type { BlendMethod, TransitionMethod } from './request';
import { sphericalMean } from './sphere';
import { normalizeWeights } from './weights';

/** The embeddings that the UNet attends to: one per token, [tokens, width] row-major. Never changed once made. */
export interface PromptEmbeds {
  hiddenStates: Float32Array;
  tokens: number;
  width: number;
  /** One embedding of the whole prompt, [D], which models with two text encoders take as well. */
  pooled?: Float32Array;
  /** Pictures that belong to the prompt, by the adapters that show them. */
  images?: Readonly<Record<string, PictureTokens>>;
}

/** The embeddings of a picture that the UNet attends to, [count, width]. */
export interface PictureTokens {
  tokens: Float32Array;
  count: number;
  width: number;
  /** How strongly the picture counts, 0..1: less than 1 where it is blended with a prompt that has none. Default 1. */
  presence?: number;
}

/** A picture as a prompt: the embeddings for positive rows, and for negative ones. */
export interface PicturePrompt {
  positive: PictureTokens;
  negative: PictureTokens;
}

/** One side of several pictures, by the names of the adapters that show them. */
export function sideOf(pictures: Readonly<Record<string, PicturePrompt>>, side: keyof PicturePrompt): Record<string, PictureTokens> {
  return Object.fromEntries(Object.entries(pictures).map(([name, picture]) => [name, picture[side]]));
}

/** The least agreement with the others that a text counts with in a cosine-weighted blend. */
const LEAST_COSINE = 1e-4;

/**
 * Blends several conditionings into one, token by token: between two prompts the pictures change smoothly with the
 * weights. A single part is returned as it is.
 *
 * - `linear`: Σ wᵢ·eᵢ / Σ wᵢ.
 * - `slerp`: the weighted mean on the sphere; for two parts, slerp by w₂ / (w₁ + w₂).
 * - `cosine`: the same with the weights wᵢ·cos(eᵢ, m), where m = Σ wᵢ·eᵢ: texts that disagree with the rest count less.
 *
 * Pictures that belong to the parts are blended in the same way and with the same shares, adapter by adapter; where some
 * parts have none, the picture counts less.
 *
 * @param parts weights without a positive sum count as equal
 * @throws EBADPROMPT when a weight is not a finite number
 */
export function blend(parts: { conditioning: PromptEmbeds; weight: number }[], method: BlendMethod = 'linear'): PromptEmbeds {
  if (parts.length === 0) throw new RangeError('nothing to blend');
  const shares = normalizeWeights(parts.map(({ weight }) => weight));
  if (parts.length === 1) return parts[0].conditioning;
  const [first] = parts.map(({ conditioning }) => conditioning);
  for (const { conditioning } of parts) {
    if (conditioning.hiddenStates.length === first.hiddenStates.length) continue;
    const shape = ({ tokens, width }: PromptEmbeds): string => `[${tokens}, ${width}]`;
    throw new RangeError(`cannot blend conditionings of shapes ${shape(first)} and ${shape(conditioning)}`);
  }
  const states = parts.map(({ conditioning }) => conditioning.hiddenStates);
  const pooled = parts.flatMap(({ conditioning }) => conditioning.pooled ?? []);
  const mean = method === 'linear' ? linearMean : sphericalMean;
  const finalShares = method === 'cosine' ? byAgreement(states, shares) : shares;
  const images = blendPictures(parts, finalShares, mean);
  return {
    hiddenStates: mean(states, finalShares, first.width),
    tokens: first.tokens,
    width: first.width,
    ...(pooled.length === parts.length && { pooled: mean(pooled, finalShares, pooled[0].length) }),
    ...(images && { images }),
  };
}

/** @param shares of the parts, with a sum of 1 */
function blendPictures(
  parts: readonly { conditioning: PromptEmbeds }[],
  shares: readonly number[],
  mean: typeof linearMean | typeof sphericalMean,
): PromptEmbeds['images'] {
  const names = new Set(parts.flatMap(({ conditioning }) => Object.keys(conditioning.images ?? {})));
  const blended = [...names].flatMap((name): [string, PictureTokens][] => {
    const shown = parts.flatMap(({ conditioning: { images } }, k) => {
      const picture = images?.[name];
      return picture && shares[k] !== 0 ? [{ picture, presence: shares[k] * (picture.presence ?? 1) }] : [];
    });
    const presence = shown.reduce((sum, each) => sum + each.presence, 0);
    if (shown.length === 0) return [];
    const [{ picture: first }] = shown;
    const own = normalizeWeights(shown.map((each) => each.presence));
    const isOne = shown.every(({ picture }) => picture.tokens === first.tokens);
    const tokens = isOne
      ? first.tokens
      : mean(
          shown.map(({ picture }) => picture.tokens),
          own,
          first.width,
        );
    return [[name, { tokens, count: first.count, width: first.width, presence }]];
  });
  return blended.length > 0 ? Object.fromEntries(blended) : undefined;
}

/**
 * The conditioning at `position` (0..1) on the way between two. At the ends it is one of the two itself.
 */
export function between(from: PromptEmbeds, to: PromptEmbeds, position: number, method: TransitionMethod = 'linear'): PromptEmbeds {
  if (position <= 0) return from;
  if (position >= 1) return to;
  return blend(
    [
      { conditioning: from, weight: 1 - position },
      { conditioning: to, weight: position },
    ],
    method,
  );
}

function linearMean(values: readonly Float32Array[], shares: readonly number[]): Float32Array {
  const mean = new Float32Array(values[0].length);
  values.forEach((each, k) => {
    for (let i = 0; i < mean.length; i++) mean[i] += shares[k] * each[i];
  });
  return mean;
}

/** Shares in proportion to wᵢ·cos(eᵢ, m) over whole prompts. */
function byAgreement(values: readonly Float32Array[], shares: readonly number[]): number[] {
  const mean = linearMean(values, shares);
  return normalizeWeights(values.map((each, k) => shares[k] * Math.max(LEAST_COSINE, cosine(each, mean))));
}

/**
 * Weights within a prompt: e_∅ + w·(e − e_∅) for every token, where e_∅ is the empty prompt's embedding at its place.
 * A weight of 1 changes nothing and 0 leaves the token out; other tokens stay as they are.
 *
 * @param weights one per token
 */
export function emphasize(prompt: PromptEmbeds, empty: PromptEmbeds, weights: number[]): PromptEmbeds {
  const hiddenStates = prompt.hiddenStates.map((value, i) => {
    const weight = weights[Math.floor(i / prompt.width)];
    return weight === 1 ? value : empty.hiddenStates[i] + weight * (value - empty.hiddenStates[i]);
  });
  return { ...prompt, hiddenStates };
}
