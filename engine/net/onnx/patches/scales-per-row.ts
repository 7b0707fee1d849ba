import { inputName, shapeOf, withShape } from '../edit';
import type { OnnxGraph } from '../graph';
import { type GraphNode, intAttribute, intsAttribute } from '../node';
import { GraphIndex } from './graph-index';

/**
 * Makes a graph's input of N scales, [N] or [N, 1], take N scales for every row, [N, B, 1, 1, 1]. This works where each scale is
 * picked out and multiplied with tensors [B, C, h, w], as in exports.
 *
 * @returns undefined where the graph has no such input, or uses it in another way
 */
export function scalesPerRow(graph: OnnxGraph, scales: string): OnnxGraph | undefined {
  const own = graph.inputs.find((input) => inputName(input) === scales);
  if (!own || !isOnlyPicked(new GraphIndex(graph), scales)) return undefined;
  const changed = withShape(own, [shapeOf(own)[0], '', 1, 1, 1]);
  return { ...graph, inputs: graph.inputs.map((input) => (input === own ? changed : input)) };
}

/** Whether a list is used only to pick single values out of it and to multiply with them. */
function isOnlyPicked(index: GraphIndex, list: string): boolean {
  return index.users(list).every((user) => {
    const [output] = user.outputs;
    if (PASSING.includes(user.operator)) return isOnlyPicked(index, output);
    if (!isAlongFirst(user)) return false;
    if (user.operator === 'Gather') return index.constant(user.inputs[1])?.length === 1 && isOnlyFactor(index, output);
    return user.operator === 'Split' && user.outputs.every((one) => index.users(one).every((each) => squeezesFirst(index, each)));
  });
}

function isOnlyFactor(index: GraphIndex, scale: string): boolean {
  return index
    .users(scale)
    .every(({ operator, outputs }) => operator === 'Mul' || (PASSING.includes(operator) && isOnlyFactor(index, outputs[0])));
}

function squeezesFirst(index: GraphIndex, node: GraphNode): boolean {
  const axes = node.inputs.length > 1 ? index.constant(node.inputs[1]) : intsAttribute(node, 'axes');
  return node.operator === 'Squeeze' && axes?.join() === '0' && isOnlyFactor(index, node.outputs[0]);
}

function isAlongFirst(node: GraphNode): boolean {
  return (intAttribute(node, 'axis') ?? 0) === 0;
}

const PASSING = ['Cast', 'Identity'];
