import type { OnnxGraph } from './graph';
import { type GraphNode, readNode } from './node';
import { field, fieldsOf, message } from './protobuf';

/**
 * Makes a graph that takes a single timestep for all rows take one timestep per row.
 *
 * Current exports of a UNet declare `timestep` without a dimension, and the graph itself repeats it for every row:
 * Unsqueeze (a list of one), then Expand (to the batch). Without the Unsqueeze, and with a list declared, the same Expand
 * passes one timestep per row through.
 *
 * @param timestep the name of the input, of rank 0 or shape [1]
 * @param batch the name of the free dimension that counts rows
 * @returns undefined where the graph uses the timestep in another way, so that the result would not be certain
 */
export function timestepPerRow(graph: OnnxGraph, timestep: string, batch: string): OnnxGraph | undefined {
  const nodes = [...graph.nodes];
  const all = graph.nodes.map(readNode);
  const follow = (tensor: string): boolean => {
    const users = all.flatMap((node, index) => (node.inputs.includes(tensor) ? [{ node, index }] : []));
    return users.length > 0 && users.every(({ node, index }) => passes(node, index, tensor));
  };
  const passes = (node: GraphNode, index: number, tensor: string): boolean => {
    const [output] = node.outputs;
    if (node.operator === 'Expand') return node.inputs[0] === tensor;
    if (node.operator === 'Cast' || node.operator === 'Identity') return follow(output);
    const makesList = node.operator === 'Unsqueeze' || node.operator === 'Reshape';
    if (!makesList || node.inputs[0] !== tensor || !makesOneDimension(graph, all, node)) return false;
    nodes[index] = message(field(1, tensor), field(2, output), field(4, 'Identity'));
    return follow(output);
  };
  if (!follow(timestep)) return undefined;
  const inputs = graph.inputs.map((input) => (inputName(input) === timestep ? withShape(input, [batch]) : input));
  return { ...graph, nodes, inputs };
}

/**
 * The graph with numbers instead of free sizes: a provider that compiles kernels for a shape then does so once.
 *
 * @param shapes of the inputs, by name
 */
export function withFixedSizes(graph: OnnxGraph, shapes: Record<string, number[]>): OnnxGraph {
  const sizes = new Map<string, number>();
  for (const input of graph.inputs) {
    const shape = shapes[inputName(input)] ?? [];
    shapeOf(input).forEach((size, i) => typeof size === 'string' && size !== '' && sizes.set(size, shape[i]));
  }
  const inputs = graph.inputs.map((input) => {
    const shape = shapes[inputName(input)];
    return shape ? withShape(input, shape) : input;
  });
  const outputs = graph.outputs.map((output) => {
    const shape = shapeOf(output);
    return shape.length > 0
      ? withShape(
          output,
          shape.map((size) => sizes.get(String(size)) ?? size),
        )
      : output;
  });
  return { ...graph, inputs, outputs };
}

/** Whether an Unsqueeze adds, or a Reshape leaves, a single dimension. */
function makesOneDimension(graph: OnnxGraph, nodes: GraphNode[], { inputs, attributes }: GraphNode): boolean {
  const count = (bytes: Buffer, number: number): number => fieldsOf(bytes).filter((one) => one.number === number).length;
  // The axes or the shape are an input, or before opset 13 an attribute { ints 8 }.
  if (inputs.length < 2) return attributes.length === 1 && count(attributes[0], 8) === 1;
  const constant = nodes.find(({ operator, outputs }) => operator === 'Constant' && outputs[0] === inputs[1]);
  // AttributeProto { t 5 }; TensorProto { dims 1, name 8 }.
  const tensor = constant
    ? inner(constant.attributes[0], 5)
    : graph.weights.find((weight) => inner(weight, 8).toString('utf8') === inputs[1]);
  return tensor !== undefined && fieldsOf(tensor).every(({ number, value }) => number !== 1 || value === 1) && count(tensor, 1) <= 1;
}

/** The name of an input or output. ValueInfoProto { name 1 }. */
export function inputName(valueInfo: Buffer): string {
  return inner(valueInfo, 1).toString('utf8');
}

/** The element type of an input or output, a TensorProto.DataType. ValueInfoProto { type 2 { tensor_type 1 { elem_type 1 }}}. */
export function elementType(valueInfo: Buffer): number {
  return fieldsOf(inner(valueInfo, 2, 1)).find(({ number }) => number === 1)?.value ?? 0;
}

/** ValueInfoProto { type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1, dim_param 2 }}}}}. */
export function shapeOf(valueInfo: Buffer): (number | string)[] {
  return fieldsOf(inner(valueInfo, 2, 1, 2)).map(({ bytes }) => {
    const [size] = fieldsOf(bytes);
    // A free size may be written as -1, a varint of ten bytes, far beyond the safe integers.
    if (size?.number === 1) return Number.isSafeInteger(size.value) ? size.value : '';
    return size?.bytes.toString('utf8') ?? '';
  });
}

/** The input or output with another shape; '' is a size that is free. */
export function withShape(valueInfo: Buffer, shape: (number | string)[]): Buffer {
  const dims = shape.map((size) => field(1, size === '' ? '' : typeof size === 'number' ? field(1, size) : field(2, size)));
  const elementType = fieldsOf(inner(valueInfo, 2, 1)).find(({ number }) => number === 1)?.value ?? 0;
  const tensor = message(field(1, elementType), field(2, message(...dims)));
  return message(field(1, inputName(valueInfo)), field(2, field(1, tensor)));
}

/** The content of the field at a path of field numbers; empty where there is none. */
function inner(bytes: Buffer, ...numbers: number[]): Buffer {
  const within = (content: Buffer, number: number): Buffer =>
    fieldsOf(content).find((one) => one.number === number)?.bytes ?? Buffer.alloc(0);
  return numbers.reduce(within, bytes);
}
