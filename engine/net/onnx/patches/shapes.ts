import type { OnnxGraph } from '../graph';
import { type GraphNode, makeInt64s, makeNode, withInputs } from '../node';
import { GraphIndex } from './graph-index';
import { type Size, sizesOf } from './shape-values';

/** The first opset in which a Shape can return only some of the sizes. */
const SHAPE_WITH_END = 15;

/**
 * Removes the shape arithmetic that exports put around every Reshape: a dozen nodes that run with every frame, 588 of
 * 1,366 in a small UNet. Sizes that stay, and one that follows from the others, become constants; where a tensor takes all
 * sizes of another one, a single Shape replaces the arithmetic.
 *
 * @returns undefined where nothing can be removed
 */
export function simplifyShapes(graph: OnnxGraph): OnnxGraph | undefined {
  const index = new GraphIndex(graph);
  const replacements = new Map<GraphNode, Buffer>();
  const weights: Buffer[] = [];
  const before = new Map<GraphNode, Buffer>();
  const constant = (node: GraphNode, sizes: number[]): string => {
    const name = `${node.outputs[0]}/sizes`;
    weights.push(makeInt64s(name, sizes));
    return name;
  };
  index.nodes.forEach((node, k) => {
    if (node.operator === 'Reshape' && !index.constant(node.inputs[1])) {
      const sizes = sizesOf(index, node.inputs[1]);
      const fixed = sizes && asConstant(sizes, node.inputs[0]);
      const source = sizes && asShape(sizes);
      if (fixed) replacements.set(node, withInputs(graph.nodes[k], [node.inputs[0], constant(node, fixed)]));
      else if (source && sizes && index.opset >= SHAPE_WITH_END && index.producer(node.inputs[1])?.operator !== 'Shape') {
        const name = `${node.outputs[0]}/sizes`;
        before.set(node, makeNode('Shape', [source], name, { start: 0, end: sizes.length }));
        replacements.set(node, withInputs(graph.nodes[k], [node.inputs[0], name]));
      }
    } else if (node.operator === 'Gather' && index.producer(node.inputs[0])?.operator === 'Shape') {
      const [size] = sizesOf(index, node.outputs[0]) ?? [];
      if (typeof size !== 'number') return;
      weights.push(makeInt64s(`${node.outputs[0]}/sizes`, size));
      replacements.set(node, makeNode('Identity', [`${node.outputs[0]}/sizes`], node.outputs[0]));
    }
  });
  if (replacements.size === 0) return undefined;
  const changed = index.replaced(replacements, before);
  return { ...changed, weights: [...changed.weights, ...weights] };
}

/** The sizes as a constant, with 0 for a size that stays and −1 for one that follows from the others. */
function asConstant(sizes: Size[], reshaped: string): number[] | undefined {
  const numbers = sizes.map((size, axis) => {
    if (typeof size === 'number') return size;
    return size?.tensor === reshaped && size.axis === axis ? 0 : undefined;
  });
  const unknown = numbers.filter((size) => size === undefined).length;
  const follows = numbers.filter((size) => size === -1).length;
  return unknown + follows <= 1 ? numbers.map((size) => size ?? -1) : undefined;
}

/** The tensor whose first sizes these are. */
function asShape(sizes: Size[]): string | undefined {
  const [first] = sizes;
  if (typeof first !== 'object' || sizes.length < 2) return undefined;
  return sizes.every((size, axis) => typeof size === 'object' && size.tensor === first.tensor && size.axis === axis)
    ? first.tensor
    : undefined;
}
