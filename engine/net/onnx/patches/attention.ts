import type { OnnxGraph } from '../graph';
import { type GraphNode, intAttribute, intsAttribute, makeNode } from '../node';
import { GraphIndex } from './graph-index';
import { MICROSOFT, withMicrosoft } from './microsoft';
import { rankOf, scaleOf, sizeAt } from './shape-values';

/** One attention as exports write it: softmax(s·Q·Kᵀ)·V by heads. */
interface Attention {
  /** [B, N, H·d] each. */
  query: string;
  key: string;
  value: string;
  heads: number;
  /** Undefined stands for 1/√d. */
  scale: number | undefined;
  /** The node whose output is [B, N, H·d]. */
  end: GraphNode;
}

/**
 * Replaces every attention that it finds in a graph by one `com.microsoft.MultiHeadAttention`, which ONNX Runtime computes
 * block by block: the scores of all positions to all others, 168 MB for a layer of Stable Diffusion at 512×512, are never
 * written. It knows two forms: heads as a dimension of their own (scaled_dot_product_attention), and heads folded into the
 * batch (diffusers before 2.0); with the scale applied to the scores, or its square root to both Q and K.
 *
 * @returns undefined where it finds none
 */
export function fuseAttention(graph: OnnxGraph): OnnxGraph | undefined {
  const index = new GraphIndex(graph);
  const found = index.nodes.flatMap((node) => (node.operator === 'Softmax' ? (attentionAt(index, node) ?? []) : []));
  if (found.length === 0) return undefined;
  const replacements = new Map(found.map((attention) => [attention.end, fused(attention)]));
  return { ...index.replaced(replacements), model: withMicrosoft(graph.model) };
}

function fused({ query, key, value, heads, scale, end }: Attention): Buffer {
  return makeNode(
    'MultiHeadAttention',
    [query, key, value],
    end.outputs[0],
    { num_heads: heads, ...(scale !== undefined && { scale: { float: scale } }) },
    MICROSOFT,
  );
}

function attentionAt(index: GraphIndex, softmax: GraphNode): Attention | undefined {
  if (![-1, 2, 3].includes(intAttribute(softmax, 'axis') ?? -1)) return undefined;
  const factors: Factor[] = [];
  const scores = index.producer(unscaled(index, withoutZeros(index, softmax.inputs[0]), factors));
  const product = index.onlyUser(passedOn(index, softmax.outputs[0]));
  if (scores?.operator !== 'MatMul' || product?.operator !== 'MatMul') return undefined;
  const query = splitHeads(index, unscaled(index, scores.inputs[0], factors));
  const key = splitHeads(index, untransposed(index, unscaled(index, scores.inputs[1], factors), factors));
  const value = splitHeads(index, product.inputs[1]);
  const end = joinedHeads(index, product.outputs[0]);
  if (!query || !key || !value || !end) return undefined;
  const known = [query, key, value].flatMap(({ heads }) => heads ?? []);
  if (known.length === 0 || known.some((heads) => heads < 1 || heads !== known[0])) return undefined;
  const scale = productOf(index, factors, [...query.tensors, ...key.tensors]);
  return scale && { query: query.joined, key: key.joined, value: value.joined, heads: known[0], scale: scale.constant, end };
}

/** A factor of Q, K or their product. */
interface Factor {
  tensor: string;
  divides: boolean;
}

/** The tensor before it is multiplied by scalars, which are added to `factors`. */
function unscaled(index: GraphIndex, tensor: string, factors: Factor[]): string {
  const node = index.producer(tensor);
  if (!node) return tensor;
  if (node.operator === 'Identity' || node.operator === 'Cast') return unscaled(index, node.inputs[0], factors);
  if (node.operator !== 'Mul' && node.operator !== 'Div') return tensor;
  const [a, b] = node.inputs;
  const isLeft = node.operator === 'Mul' && isScalar(index, a);
  if (!isLeft && !isScalar(index, b)) return tensor;
  factors.push({ tensor: isLeft ? a : b, divides: node.operator === 'Div' });
  return unscaled(index, isLeft ? b : a, factors);
}

/** Whether a tensor is a constant of one number, or computed from sizes alone. */
function isScalar(index: GraphIndex, tensor: string): boolean {
  const constant = index.constant(tensor);
  if (constant) return constant.length === 1;
  const node = index.producer(tensor);
  return (
    node !== undefined && node.inputs.length > 0 && (node.operator === 'Shape' || node.inputs.every((input) => isScalar(index, input)))
  );
}

/** The product of all factors: a number, or 1/√d for heads of any size (then `constant` is undefined). Undefined where it is neither. */
function productOf(index: GraphIndex, factors: Factor[], tensors: string[]): { constant: number | undefined } | undefined {
  const sizes = [40, 64];
  const scales = sizes.map((size) =>
    factors.reduce<number | undefined>((product, { tensor, divides }) => {
      const factor = scaleOf(index, tensor, size, tensors);
      return product === undefined || factor === undefined ? undefined : divides ? product / factor : product * factor;
    }, 1),
  );
  const [first, second] = scales;
  if (first === undefined || second === undefined || !(first > 0)) return undefined;
  if (Math.abs(first / second - 1) < 1e-6) return { constant: first };
  return scales.every((scale, k) => Math.abs((scale ?? 0) * Math.sqrt(sizes[k]) - 1) < 1e-4) ? { constant: undefined } : undefined;
}

/** The other operand of an addition of zeros: old exports have torch.baddbmm with beta 0. */
function withoutZeros(index: GraphIndex, tensor: string): string {
  const node = index.producer(tensor);
  if (node?.operator === 'Cast' || node?.operator === 'Identity') return withoutZeros(index, node.inputs[0]);
  if (node?.operator !== 'Add') return tensor;
  const isZero = (input: string): boolean => {
    const scaled = index.producer(input);
    return scaled?.operator === 'Mul' && scaled.inputs.some((one) => index.constant(one)?.every((number) => number === 0));
  };
  const others = node.inputs.filter((input) => !isZero(input));
  return others.length === 1 ? others[0] : tensor;
}

/** K, given Kᵀ; a transposition that also moves the heads forward is left to `splitHeads`. */
function untransposed(index: GraphIndex, tensor: string, factors: Factor[]): string {
  const node = index.producer(tensor);
  const perm = node?.operator === 'Transpose' ? intsAttribute(node, 'perm')?.join() : undefined;
  return node && (perm === '0,1,3,2' || perm === '0,2,1') ? unscaled(index, node.inputs[0], factors) : tensor;
}

/** The tensor [B, N, H·d] that a Reshape and a Transpose split into heads. */
function splitHeads(index: GraphIndex, tensor: string): { joined: string; heads: number | undefined; tensors: string[] } | undefined {
  let node = index.producer(tensor);
  const tensors = [tensor];
  // Heads folded into the batch: [B, H, N, d] → [B·H, N, d].
  if (node?.operator === 'Reshape') {
    node = index.producer(node.inputs[0]);
    tensors.push(node?.outputs[0] ?? '');
  }
  if (node?.operator !== 'Transpose' || !['0,2,1,3', '0,2,3,1'].includes(intsAttribute(node, 'perm')?.join() ?? '')) return undefined;
  const reshape = index.producer(node.inputs[0]);
  if (reshape?.operator !== 'Reshape') return undefined;
  // diffusers counts pictures before the tokens of an IP-Adapter: [B, 1, N, H·d].
  if ((rankOf(index, reshape.inputs[0]) ?? 3) !== 3) return undefined;
  tensors.push(reshape.outputs[0]);
  const heads = sizeAt(index, reshape.inputs[1], 2);
  return { joined: reshape.inputs[0], heads: heads !== undefined && heads > 0 ? heads : undefined, tensors };
}

/** The Reshape that joins the heads of an attention's result to [B, N, H·d]. */
function joinedHeads(index: GraphIndex, tensor: string): GraphNode | undefined {
  let node = index.onlyUser(passedOn(index, tensor));
  if (node?.operator === 'Reshape') node = index.onlyUser(node.outputs[0]);
  if (node?.operator !== 'Transpose' || intsAttribute(node, 'perm')?.join() !== '0,2,1,3') return undefined;
  // A Shape may read the sizes of the result as well.
  const reshapes = index.users(node.outputs[0]).filter(({ operator }) => operator !== 'Shape');
  return reshapes.length === 1 && reshapes[0].operator === 'Reshape' && reshapes[0].inputs[0] === node.outputs[0] ? reshapes[0] : undefined;
}

/** A tensor after the casts that follow it. */
function passedOn(index: GraphIndex, tensor: string): string {
  const node = index.onlyUser(tensor);
  return node && (node.operator === 'Cast' || node.operator === 'Identity') ? passedOn(index, node.outputs[0]) : tensor;
}
