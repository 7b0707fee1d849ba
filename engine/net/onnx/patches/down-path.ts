import type { GraphNode } from '../node';
import { intAttribute, intsAttribute } from '../node';
import type { GraphIndex } from './graph-index';

/** A skip tensor of a UNet, and where it is joined to a hidden state. */
export interface SkipJoin<N extends GraphNode = GraphNode> {
  /** The Concat of channels. */
  node: N;
  /** The position of the skip tensor among its two inputs. */
  skip: 0 | 1;
}

/**
 * The joins of a UNet's skip tensors, in the order of the graph: the last skip tensor is joined first, to the middle block's
 * output. A skip tensor is one that a Concat of channels joins to a hidden state that was computed from it.
 */
export function skipJoins<N extends GraphNode>(index: GraphIndex, nodes: readonly N[]): SkipJoin<N>[] {
  return nodes.flatMap((node): SkipJoin<N>[] => {
    if (node.operator !== 'Concat' || node.inputs.length !== 2) return [];
    // A negative axis reads as undefined; every Concat has one.
    if (![1, undefined].includes(intAttribute(node, 'axis'))) return [];
    const [a, b] = node.inputs;
    const joins = (hidden: string, skip: string): boolean => isMadeOf(index, hidden, beforeControl(index, skip).tensor);
    if (joins(a, b)) return [{ node, skip: 1 }];
    return joins(b, a) ? [{ node, skip: 0 }] : [];
  });
}

export interface PathTensor {
  tensor: string;
  /** How often the latents' height and width have been halved. */
  halvings: number;
}

/** The contracting half of a UNet. */
export interface DownPath {
  /** The first tensor that is computed from the latents. */
  first: string;
  /** The output of every block, which is the input of the next. */
  outputs: string[];
  /** Where a T2I-Adapter's feature is added in every block. In blocks with attention, that is before they downsample. */
  features: PathTensor[];
  /** The middle block's output. */
  middle: PathTensor;
  /** The nodes through which skip tensors reach the expanding half. */
  toJoins: ReadonlySet<GraphNode>;
}

/** @returns undefined where the graph joins no skip tensors */
export function downPath(index: GraphIndex): DownPath | undefined {
  const joins = skipJoins(index, index.nodes).reverse();
  if (joins.length === 0) return undefined;
  const toJoins = new Set<GraphNode>(joins.map(({ node }) => node));
  const [first, ...others] = joins.map(({ node, skip }) => {
    const { tensor, sums } = beforeControl(index, node.inputs[skip]);
    for (const sum of sums) toJoins.add(sum);
    return tensor;
  });
  const { node, skip } = joins[joins.length - 1];
  const outputs: string[] = [];
  const features: PathTensor[] = [];
  let [before, last, halvings] = [first, first, 0];
  others.forEach((tensor, k) => {
    const isSmaller = makesSmaller(index, tensor);
    const inside = isSmaller ? last : tensor;
    last = tensor;
    if (!isSmaller && k < others.length - 1) return;
    const isInside = hasAttention(index, inside, before);
    features.push({ tensor: isInside ? inside : tensor, halvings: isSmaller && !isInside ? halvings + 1 : halvings });
    outputs.push(tensor);
    before = tensor;
    if (isSmaller) halvings++;
  });
  return { first, outputs, features, middle: { tensor: node.inputs[1 - skip], halvings }, toJoins };
}

/**
 * A skip tensor that is used by nothing but its join is the sum of the true one and of residuals, in exports with control inputs.
 *
 * @returns the true one, and the nodes that add to it
 */
function beforeControl(index: GraphIndex, tensor: string): { tensor: string; sums: GraphNode[] } {
  const sum = index.producer(tensor);
  if (sum?.operator !== 'Add' || !index.onlyUser(tensor)) return { tensor, sums: [] };
  const own = sum.inputs.find((input) => index.users(input).length > 1);
  if (own === undefined) return { tensor, sums: [] };
  const before = beforeControl(index, own);
  return { ...before, sums: [sum, ...before.sums] };
}

/** Whether a tensor comes from a convolution with a stride of two. */
function makesSmaller(index: GraphIndex, tensor: string): boolean {
  const node = index.producer(tensor);
  if (!node) return false;
  if (node.operator === 'Conv') return intsAttribute(node, 'strides')?.every((stride) => stride === 2) ?? false;
  return PASSING.includes(node.operator) && makesSmaller(index, node.inputs[0]);
}

const PASSING = ['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear'];
const ATTENDING = ['Softmax', 'MultiHeadAttention', 'Attention', 'GroupQueryAttention'];

/** Whether there is attention on the way from `origin` to a tensor. */
function hasAttention(index: GraphIndex, tensor: string, origin: string): boolean {
  const found = [...ancestors(index, tensor, origin)];
  return found.some((each) => ATTENDING.includes(index.producer(each)?.operator ?? ''));
}

/** Whether a tensor is computed from `origin`. */
function isMadeOf(index: GraphIndex, tensor: string, origin: string): boolean {
  for (const each of ancestors(index, tensor)) if (each === origin && each !== tensor) return true;
  return false;
}

/** A tensor and everything that it is computed from, back to `end`. */
function* ancestors(index: GraphIndex, tensor: string, end?: string): Generator<string> {
  const seen = new Set([tensor]);
  const queue = [tensor];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    yield next;
    if (next === end) continue;
    for (const input of index.producer(next)?.inputs ?? []) {
      if (seen.has(input)) continue;
      seen.add(input);
      queue.push(input);
    }
  }
}
