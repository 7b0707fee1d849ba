/** What the UNet attends to: one embedding a token, [tokens, width] row-major. Never changed once made. */
export interface Conditioning {
  hiddenStates: Float32Array;
  tokens: number;
  width: number;
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
  const hiddenStates = new Float32Array(first.hiddenStates.length);
  for (const { conditioning, weight } of parts) {
    if (conditioning.hiddenStates.length !== hiddenStates.length) {
      const shape = ({ tokens, width }: Conditioning): string => `[${tokens}, ${width}]`;
      throw new RangeError(`cannot blend conditionings of shapes ${shape(first)} and ${shape(conditioning)}`);
    }
    const share = usable ? weight / sum : 1 / parts.length;
    const states = conditioning.hiddenStates;
    for (let i = 0; i < hiddenStates.length; i++) hiddenStates[i] += share * states[i];
  }
  return { hiddenStates, tokens: first.tokens, width: first.width };
}
