/** What the UNet attends to: one embedding a token, [tokens, width] row-major. Never changed once made. */
export interface Conditioning {
  hiddenStates: Float32Array;
  tokens: number;
  width: number;
  /** One embedding of the whole prompt, [D]: models with two text encoders take it as well. */
  pooled?: Float32Array;
}

/**
 * Σ wᵢ·cᵢ / Σ wᵢ, token by token: between two prompts the pictures change smoothly with the weights.
 * Weights that have no usable sum (all zero, cancelling, not finite) count as equal. One part is returned as it is.
 */
export function blend(parts: { conditioning: Conditioning; weight: number }[]): Conditioning {
  if (parts.length === 0) throw new RangeError('nothing to blend');
  const [{ conditioning: first }] = parts;
  if (parts.length === 1) return first;
  const sum = parts.reduce((total, { weight }) => total + weight, 0);
  const usable = Number.isFinite(sum) && Math.abs(sum) > 1e-12;
  const shares = parts.map(({ weight }) => (usable ? weight / sum : 1 / parts.length));
  for (const { conditioning } of parts) {
    if (conditioning.hiddenStates.length === first.hiddenStates.length) continue;
    const shape = ({ tokens, width }: Conditioning): string => `[${tokens}, ${width}]`;
    throw new RangeError(`cannot blend conditionings of shapes ${shape(first)} and ${shape(conditioning)}`);
  }
  const mix = (values: Float32Array[]): Float32Array => {
    const mixed = new Float32Array(values[0].length);
    values.forEach((one, k) => {
      for (let i = 0; i < mixed.length; i++) mixed[i] += shares[k] * one[i];
    });
    return mixed;
  };
  const pooled = parts.flatMap(({ conditioning }) => conditioning.pooled ?? []);
  return {
    hiddenStates: mix(parts.map(({ conditioning }) => conditioning.hiddenStates)),
    tokens: first.tokens,
    width: first.width,
    ...(pooled.length === parts.length && { pooled: mix(pooled) }),
  };
}

/**
 * Weights within a prompt: e_∅ + w·(e − e_∅) for every token, where e_∅ is what the empty prompt has in its place.
 * A weight of 1 changes nothing and 0 leaves the token out; other tokens stay as they are.
 *
 * @param weights one a token
 */
export function emphasize(prompt: Conditioning, empty: Conditioning, weights: number[]): Conditioning {
  const hiddenStates = prompt.hiddenStates.map((value, i) => {
    const weight = weights[Math.floor(i / prompt.width)];
    return weight === 1 ? value : empty.hiddenStates[i] + weight * (value - empty.hiddenStates[i]);
  });
  return { ...prompt, hiddenStates };
}
