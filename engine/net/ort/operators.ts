/**
 * Operators outside the ONNX standard that optimised exports of Stable Diffusion use, with the execution providers of
 * ONNX Runtime that compute them. The other com.microsoft operators found in such models (attention, fused convolutions
 * and products, quantized weights) run on cpu as well.
 *
 * Source: the kernels that ONNX Runtime registers for each provider.
 */
const LIMITED: Record<string, string[]> = {
  'com.microsoft.NhwcConv': ['cuda'],
  'com.microsoft.SkipGroupNorm': ['cuda'],
  'com.microsoft.PackedAttention': ['cuda'],
  'com.microsoft.PackedMultiHeadAttention': ['cuda'],
  'com.microsoft.GroupNorm': ['cuda', 'dml'],
  'com.microsoft.BiasAdd': ['cuda', 'dml', 'webgpu'],
  'com.microsoft.BiasSplitGelu': ['cuda', 'dml', 'webgpu'],
};

/** The operators that limit a net to some execution providers. */
export interface OperatorLimit {
  /** The operators that not every provider can compute. */
  operators: string[];
  /** The providers that can compute all of them. */
  providers: string[];
}

/** The limit of a net with these operators; undefined for a net that every provider can run. */
export function operatorLimit(operators: ReadonlySet<string>): OperatorLimit | undefined {
  const found = Object.keys(LIMITED).filter((operator) => operators.has(operator));
  if (found.length === 0) return undefined;
  const providers = found.map((operator) => LIMITED[operator]);
  return { operators: found, providers: providers[0].filter((name) => providers.every((able) => able.includes(name))) };
}
