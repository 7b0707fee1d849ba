import type { OnnxGraph } from '../graph';
import { makeNode, makeValue } from '../node';
import { skipJoins } from './down-path';
import { type EditedNode, GraphEdit } from './graph-edit';
import { GraphIndex } from './graph-index';

/**
 * Adds inputs for the residuals of ControlNets to a plain UNet. As in diffusers, they are added to the skip tensors on their
 * way from the contracting half to the expanding one (`control/down_00` …, in the order in which they are computed), and to the
 * middle block's output (`control/mid`). Each is [B, C, h', w'], or zeros that are broadcast, [B, C, 1, 1].
 *
 * The places are found by structure, see {@link skipJoins}.
 *
 * @param type of the inputs; a net that computes in half precision may take float32 as well
 * @returns undefined where the graph has no such Concat
 */
export function withControlInputs(graph: OnnxGraph, type: 'float32' | 'float16'): OnnxGraph | undefined {
  const index = new GraphIndex(graph);
  const edit = new GraphEdit(graph);
  const joins = skipJoins(index, edit.nodes).reverse();
  if (joins.length === 0) return undefined;
  const add = (join: EditedNode, tensor: string, name: string): string => {
    edit.addInput(makeValue(name, type, ['', channelsOf(index, tensor) ?? '', '', '']));
    const hasCastLike = index.opset >= CAST_LIKE;
    if (hasCastLike) edit.addBefore(join, makeNode('CastLike', [name, tensor], `${name}/cast`));
    edit.addBefore(join, makeNode('Add', [tensor, hasCastLike ? `${name}/cast` : name], `${name}/sum`));
    return `${name}/sum`;
  };
  joins.forEach(({ node, skip }, k) => {
    edit.replaceInput(node, skip, add(node, node.inputs[skip], `control/down_${String(k).padStart(2, '0')}`));
  });
  const { node: first, skip } = joins[joins.length - 1];
  const middle = first.inputs[1 - skip];
  const sum = add(first, middle, 'control/mid');
  for (const node of edit.nodes.slice(edit.nodes.indexOf(first)))
    node.inputs.forEach((input, position) => input === middle && edit.replaceInput(node, position, sum));
  return edit.result();
}

/** The first version of the standard with this operator. */
const CAST_LIKE = 15;

/** The channels of a tensor [B, C, h, w], derived from the convolutions that compute it. */
export function channelsOf(index: GraphIndex, tensor: string, depth = 0): number | undefined {
  const node = index.producer(tensor);
  if (!node || depth > 24) return undefined;
  const { operator, inputs } = node;
  if (operator === 'Conv') return outputChannels(index, inputs[1]);
  if (operator === 'Concat') {
    const sizes = inputs.map((input) => channelsOf(index, input, depth + 1));
    return sizes.reduce<number | undefined>((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0);
  }
  const candidates =
    operator === 'Add' || operator === 'Sub' || operator === 'Mul' ? inputs : PASSING.includes(operator) ? inputs.slice(0, 1) : [];
  for (const input of candidates) {
    const channels = channelsOf(index, input, depth + 1);
    if (channels !== undefined) return channels;
  }
  return undefined;
}

/** Operators that leave the number of channels as it is. */
const PASSING = ['Identity', 'Cast', 'Div', 'Sigmoid', 'Relu', 'Resize', 'QuantizeLinear', 'DequantizeLinear', 'Clip'];

/** The output channels of a convolution's weight, which may be quantized. */
function outputChannels(index: GraphIndex, weight: string): number | undefined {
  const dims = index.weightDims(weight);
  if (dims) return dims[0];
  const node = index.producer(weight);
  return node && ['DequantizeLinear', 'QuantizeLinear', 'Identity'].includes(node.operator)
    ? outputChannels(index, node.inputs[0])
    : undefined;
}
