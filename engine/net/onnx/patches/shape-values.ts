import { intAttribute } from '../node';
import type { GraphIndex } from './graph-index';

/** One size of a tensor, known only when the graph runs. */
export interface SizeOf {
  tensor: string;
  axis: number;
}

/** All sizes of a tensor from one axis on, however many there are. */
interface SizesFrom extends SizeOf {
  open: true;
}

/** A number, a size of some tensor, or undefined for a size that is computed in another way. */
export type Size = number | SizeOf | undefined;
type Sizes = (Size | SizesFrom)[];

const UNKNOWN: SizesFrom = { tensor: '', axis: 0, open: true };

/** Operators that keep the order of numbers. */
const PASSING = ['Cast', 'Identity', 'Unsqueeze', 'Squeeze', 'Reshape'];

const WHOLE: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => Math.trunc(a / b),
  Mod: (a, b) => ((a % b) + b) % b,
};

/** The list of sizes that a Reshape takes, however the graph composes it; undefined where even its length is unknown. */
export function sizesOf(index: GraphIndex, tensor: string): Size[] | undefined {
  const sizes = allSizes(index, tensor);
  return sizes.some(isOpen) ? undefined : (sizes as Size[]);
}

/** One size in such a list, where it does not depend on the inputs; the end of the list may be unknown. */
export function sizeAt(index: GraphIndex, tensor: string, position: number): number | undefined {
  const sizes = allSizes(index, tensor);
  const size = sizes.slice(0, position + 1).some(isOpen) ? undefined : sizes[position];
  return typeof size === 'number' ? size : undefined;
}

/** How many dimensions a tensor has, where a Reshape before it tells. */
export function rankOf(index: GraphIndex, tensor: string): number | undefined {
  const node = index.producer(tensor);
  if (node?.operator === 'Reshape') return sizesOf(index, node.inputs[1])?.length;
  return node && ['MatMul', 'Cast', 'Identity'].includes(node.operator) ? rankOf(index, node.inputs[0]) : undefined;
}

function allSizes(index: GraphIndex, tensor: string): Sizes {
  const constant = index.constant(tensor);
  if (constant) return constant;
  const node = index.producer(tensor);
  if (!node) return [UNKNOWN];
  const [first, second, third, axes] = node.inputs;
  if (PASSING.includes(node.operator)) return allSizes(index, first);
  if (node.operator === 'Shape')
    return intAttribute(node, 'start') === undefined && intAttribute(node, 'end') === undefined
      ? [{ tensor: first, axis: 0, open: true }]
      : [UNKNOWN];
  if (node.operator === 'Concat') return node.inputs.flatMap((input) => allSizes(index, input));
  if (node.operator === 'Gather') return [gathered(index, allSizes(index, first), index.constant(second))];
  if (node.operator === 'Slice' && (axes === undefined || index.constant(axes)?.join() === '0'))
    return sliced(allSizes(index, first), allSizes(index, second)[0], allSizes(index, third)[0]);
  if (node.operator in WHOLE) return [computed(WHOLE[node.operator], allSizes(index, first), allSizes(index, second))];
  return [UNKNOWN];
}

function gathered(index: GraphIndex, sizes: Sizes, [position] = [] as number[]): Size {
  const [first] = sizes;
  if (position === undefined) return undefined;
  if (isOpen(first) && first.tensor)
    return position >= 0
      ? { tensor: first.tensor, axis: first.axis + position }
      : position === -1
        ? lastSize(index, first.tensor)
        : undefined;
  return position >= 0 && !sizes.slice(0, position + 1).some(isOpen) ? (sizes[position] as Size) : undefined;
}

/** The last size of a product with a constant matrix: the matrix's columns. */
function lastSize(index: GraphIndex, tensor: string): Size {
  const node = index.producer(tensor);
  return node?.operator === 'MatMul' ? index.weightDims(node.inputs[1])?.at(-1) : undefined;
}

function sliced(sizes: Sizes, start: Sizes[number], end: Sizes[number]): Sizes {
  if (typeof start !== 'number' || typeof end !== 'number') return [UNKNOWN];
  const [first] = sizes;
  if (!sizes.some(isOpen)) return sizes.slice(start, end);
  if (!isOpen(first) || !first.tensor || start < 0 || end < start || end > 8) return [UNKNOWN];
  return Array.from({ length: end - start }, (_, k) => ({ tensor: first.tensor, axis: first.axis + start + k }));
}

function computed(compute: (a: number, b: number) => number, [a, ...moreA]: Sizes, [b, ...moreB]: Sizes): Size {
  return typeof a === 'number' && typeof b === 'number' && moreA.length + moreB.length === 0 ? compute(a, b) : undefined;
}

function isOpen(size: Sizes[number]): size is SizesFrom {
  return typeof size === 'object' && 'open' in size;
}

const REAL: Record<string, (a: number, b: number) => number> = {
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Sqrt: (a) => Math.sqrt(a),
  Reciprocal: (a) => 1 / a,
};

/**
 * A scalar that a graph computes from constants and one size; undefined where it depends on anything else.
 *
 * @param size the value of the last size of these tensors
 */
export function scaleOf(index: GraphIndex, tensor: string, size: number, tensors: readonly string[]): number | undefined {
  const constant = index.constant(tensor);
  if (constant) return constant.length === 1 ? constant[0] : undefined;
  const node = index.producer(tensor);
  if (!node) return undefined;
  const { operator, inputs } = node;
  if (PASSING.includes(operator)) return scaleOf(index, inputs[0], size, tensors);
  if (operator === 'Slice' || operator === 'Gather') {
    const shape = index.producer(inputs[0]);
    const isLast = [-1, 3].includes(index.constant(inputs[1])?.[0] ?? NaN);
    return isLast && shape?.operator === 'Shape' && tensors.includes(shape.inputs[0]) ? size : undefined;
  }
  const values = inputs.map((input) => scaleOf(index, input, size, tensors));
  return operator in REAL && !values.includes(undefined) ? REAL[operator](...(values as [number, number])) : undefined;
}
