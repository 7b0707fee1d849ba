import { elementType, inputName, shapeOf } from '../edit';
import type { OnnxGraph } from '../graph';
import { makeConstant, makeInt64s, makeNode, makeValue } from '../node';
import { GraphEdit } from './graph-edit';
import { GraphIndex } from './graph-index';

/** Further inputs and outputs of a net whose picture is in bytes: the picture's name, followed by one of these. */
export const BYTES = {
  /** float32, for an input: the byte that stands for 0. */
  middle: '/middle',
  /** float32, for an input: the bytes from 0 to 1; numbers are (byte − middle) / half. */
  half: '/half',
  /** float32, for an output: the number that is added before scaling. */
  offset: '/offset',
  /** float32, for an output: the difference of one byte; bytes are (number + offset) / scale, rounded and clamped. */
  scale: '/scale',
  /** float32, for an output: the sum of a sample of the net's numbers, which is NaN where one of them is. */
  sum: '/sum',
} as const;

const [FLOAT32, FLOAT16] = [1, 10];
/** The first opset with QuantizeLinear, and with a Slice that has steps. */
const LEAST_OPSET = 10;
/** Only every 16th row and column are summed: NaN in a net spreads over its whole output. */
const SUM_STRIDE = 16;

/**
 * Moves the conversion between a picture's interleaved bytes and the net's numbers into the graph: [B, H, W, 3] in uint8
 * instead of [B, 3, H, W] in float32 or float16, under the same name. That takes a third of the time that JavaScript takes,
 * and a quarter of the bytes to a card and back. The numbers of black and white are fed with every run, since they are only
 * found out by running the net.
 *
 * @param name of the input or output that is the picture
 * @returns undefined where it is not a picture, or where the graph's opset is too old
 */
export function pixelsInBytes(graph: OnnxGraph, side: 'input' | 'output', name: string): OnnxGraph | undefined {
  const value = (side === 'input' ? graph.inputs : graph.outputs).find((info) => inputName(info) === name);
  const shape = value && shapeOf(value);
  const type = value && elementType(value);
  if (shape?.length !== 4 || (typeof shape[1] === 'number' && shape[1] !== 3)) return undefined;
  if ((type !== FLOAT32 && type !== FLOAT16) || new GraphIndex(graph).opset < LEAST_OPSET) return undefined;
  const [batch, , height, width] = shape;
  const bytes = makeValue(name, 'uint8', [batch, height, width, 3]);
  return side === 'input' ? withInput(graph, name, type, bytes) : withOutput(graph, name, type, bytes);
}

/** (byte − middle) / half is exact to the last bit of a float32, unlike byte · scale − 1. */
function withInput(graph: OnnxGraph, name: string, type: number, bytes: Buffer): OnnxGraph {
  const edit = new GraphEdit(graph);
  const [middle, half, numbers] = [name + BYTES.middle, name + BYTES.half, `${name}/numbers`];
  for (const node of edit.nodes) node.inputs.forEach((input, k) => input === name && edit.replaceInput(node, k, numbers));
  const planes = type === FLOAT32 ? numbers : `${name}/planes`;
  edit.addFirst(
    makeNode('Cast', [name], `${name}/float`, { to: FLOAT32 }),
    makeNode('Sub', [`${name}/float`, middle], `${name}/centred`),
    makeNode('Div', [`${name}/centred`, half], `${name}/scaled`),
    makeNode('Transpose', [`${name}/scaled`], planes, { perm: [0, 3, 1, 2] }),
    ...(type === FLOAT32 ? [] : [makeNode('Cast', [planes], numbers, { to: type })]),
  );
  const result = edit.result();
  const inputs = result.inputs.map((input) => (inputName(input) === name ? bytes : input));
  return { ...result, inputs: [...inputs, makeValue(middle, 'float32', []), makeValue(half, 'float32', [])] };
}

function withOutput(graph: OnnxGraph, name: string, type: number, bytes: Buffer): OnnxGraph | undefined {
  const edit = new GraphEdit(graph);
  const [offset, scale, sum, numbers] = [name + BYTES.offset, name + BYTES.scale, name + BYTES.sum, `${name}/numbers`];
  const producer = edit.nodes.find(({ outputs }) => outputs.includes(name));
  const last = edit.nodes.at(-1);
  if (!producer || !last) return undefined;
  edit.renameOutput(producer, producer.outputs.indexOf(name), numbers);
  for (const node of edit.nodes) node.inputs.forEach((input, k) => input === name && edit.replaceInput(node, k, numbers));
  const planes = type === FLOAT32 ? numbers : `${name}/planes`;
  edit.addWeights(
    makeConstant(`${name}/zero`, 'uint8', 0),
    makeInt64s(`${name}/starts`, [0, 0]),
    makeInt64s(`${name}/ends`, [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]),
    makeInt64s(`${name}/axes`, [2, 3]),
    makeInt64s(`${name}/steps`, [SUM_STRIDE, SUM_STRIDE]),
  );
  edit.addAfter(
    last,
    ...(type === FLOAT32 ? [] : [makeNode('Cast', [numbers], planes, { to: FLOAT32 })]),
    makeNode('Add', [planes, offset], `${name}/shifted`),
    makeNode('QuantizeLinear', [`${name}/shifted`, scale, `${name}/zero`], `${name}/bytes`),
    makeNode('Transpose', [`${name}/bytes`], name, { perm: [0, 2, 3, 1] }),
    makeNode('Slice', [planes, ...['starts', 'ends', 'axes', 'steps'].map((each) => `${name}/${each}`)], `${name}/some`),
    makeNode('ReduceSum', [`${name}/some`], sum, { keepdims: 0 }),
  );
  const result = edit.result();
  const outputs = result.outputs.map((output) => (inputName(output) === name ? bytes : output));
  const inputs = [...result.inputs, makeValue(offset, 'float32', []), makeValue(scale, 'float32', [])];
  return { ...result, inputs, outputs: [...outputs, makeValue(sum, 'float32', [])] };
}
