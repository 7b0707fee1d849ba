import { field, fieldsOf, float, message, type MessageField, varintsOf } from './protobuf';

/** The fields of a node that edits need. */
export interface GraphNode {
  operator: string;
  inputs: string[];
  outputs: string[];
  attributes: Buffer[];
}

/** NodeProto { input 1, output 2, op_type 4, attribute 5 }. */
export function readNode(bytes: Buffer): GraphNode {
  const node: GraphNode = { operator: '', inputs: [], outputs: [], attributes: [] };
  for (const { number, bytes: content } of fieldsOf(bytes)) {
    if (number === 1) node.inputs.push(content.toString('utf8'));
    if (number === 2) node.outputs.push(content.toString('utf8'));
    if (number === 4) node.operator = content.toString('utf8');
    if (number === 5) node.attributes.push(content);
  }
  return node;
}

/** An int, a list of ints, or a float. */
export type AttributeValue = number | number[] | { float: number };

/** A node of the ONNX standard, or of another domain. */
export function makeNode(
  operator: string,
  inputs: string[],
  output: string,
  attributes: Record<string, AttributeValue> = {},
  domain = '',
): Buffer {
  return message(
    ...inputs.map((input) => field(1, input)),
    field(2, output),
    field(4, operator),
    ...Object.entries(attributes).map(([name, value]) => field(5, makeAttribute(name, value))),
    ...(domain ? [field(7, domain)] : []),
  );
}

/** AttributeProto { name 1, f 2, i 3, ints 8, type 20: FLOAT 1, INT 2, INTS 7 }. */
function makeAttribute(name: string, value: AttributeValue): Buffer {
  if (typeof value === 'number') return message(field(1, name), field(3, value), field(20, 2));
  if (Array.isArray(value)) return message(field(1, name), ...value.map((one) => field(8, one)), field(20, 7));
  return message(field(1, name), float(2, value.float), field(20, 1));
}

/** The nodes of a branch, and the output that is its result. */
export interface GraphBranch {
  nodes: Buffer[];
  output: string;
}

/**
 * An If, which computes one of two branches. Branches may use every tensor of the graph around them.
 * GraphProto { node 1, name 2, output 12 }; AttributeProto { name 1, g 6, type 20: GRAPH 5 }.
 *
 * @param type of the result, a TensorProto.DataType
 */
export function makeIf(condition: string, output: string, type: number, yes: GraphBranch, no: GraphBranch): Buffer {
  const graph = ({ nodes, output: result }: GraphBranch): Buffer => {
    const value = message(field(1, result), field(2, field(1, field(1, type))));
    return message(...nodes.map((node) => field(1, node)), field(2, result), field(12, value));
  };
  const attribute = (name: string, branch: GraphBranch): Buffer => field(5, message(field(1, name), field(6, graph(branch)), field(20, 5)));
  return message(field(1, condition), field(2, output), field(4, 'If'), attribute('then_branch', yes), attribute('else_branch', no));
}

/** The node with other inputs. All fields of a NodeProto are texts or messages. */
export function withInputs(bytes: Buffer, inputs: string[]): Buffer {
  const others = fieldsOf(bytes).filter(({ number }) => number !== 1);
  return message(...inputs.map((input) => field(1, input)), ...others.map(({ number, bytes: content }) => field(number, content)));
}

/** The node with other outputs. */
export function withOutputs(bytes: Buffer, outputs: string[]): Buffer {
  const others = fieldsOf(bytes).filter(({ number }) => number !== 2);
  return message(...outputs.map((output) => field(2, output)), ...others.map(({ number, bytes: content }) => field(number, content)));
}

/** An int among a node's attributes. AttributeProto { name 1, i 3 }. Undefined where it is negative or missing. */
export function intAttribute(node: GraphNode, name: string): number | undefined {
  const value = attribute(node, name)?.find(({ number }) => number === 3)?.value;
  // A negative number is a varint of ten bytes, far beyond the safe integers.
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

/** A list of ints among a node's attributes. AttributeProto { name 1, ints 8 }. */
export function intsAttribute(node: GraphNode, name: string): number[] | undefined {
  return attribute(node, name)?.flatMap((one) => (one.number === 8 ? numbersIn(one) : []));
}

function attribute({ attributes }: GraphNode, name: string): MessageField[] | undefined {
  return attributes
    .map((bytes) => fieldsOf(bytes))
    .find((fields) => fields.some(({ number, bytes }) => number === 1 && bytes.toString('utf8') === name));
}

const ELEMENT_TYPES = { float32: 1, uint8: 2, int8: 3 };

/**
 * A constant. TensorProto { dims 1, data_type 2, name 8, raw_data 9 }.
 *
 * @param dims by default one dimension, or none for a single value
 */
export function makeConstant(
  name: string,
  type: keyof typeof ELEMENT_TYPES,
  values: number | number[],
  dims = typeof values === 'number' ? [] : [values.length],
): Buffer {
  const list = typeof values === 'number' ? [values] : values;
  const { buffer } = type === 'float32' ? Float32Array.from(list) : type === 'int8' ? Int8Array.from(list) : Uint8Array.from(list);
  return message(...dims.map((size) => field(1, size)), field(2, ELEMENT_TYPES[type]), field(8, name), field(9, new Uint8Array(buffer)));
}

/** A weight whose values are in a file. TensorProto { dims 1, data_type 2, name 8, external_data 13 { key 1, value 2 }, data_location 14 }. */
export function externalWeight(
  name: string,
  type: number,
  dims: number[],
  { location, offset, length }: { location: string; offset: number; length: number },
): Buffer {
  const entries = Object.entries({ location, offset, length });
  return message(
    ...dims.map((size) => field(1, size)),
    field(2, type),
    field(8, name),
    ...entries.map(([key, value]) => field(13, message(field(1, key), field(2, String(value))))),
    field(14, 1),
  );
}

/** Sizes or indices: a list, or a single number (rank 0). TensorProto { dims 1, data_type 2, name 8, raw_data 9 }. */
export function makeInt64s(name: string, values: number | number[]): Buffer {
  const list = typeof values === 'number' ? [values] : values;
  const { buffer } = BigInt64Array.from(list, BigInt);
  return message(
    ...(typeof values === 'number' ? [] : [field(1, list.length)]),
    field(2, 7),
    field(8, name),
    field(9, new Uint8Array(buffer)),
  );
}

/** A float32 input or output. ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 }}}}}. */
export function makeValueInfo(name: string, dims: number[]): Buffer {
  const shape = message(...dims.map((size) => field(1, field(1, size))));
  return message(field(1, name), field(2, field(1, message(field(1, ELEMENT_TYPES.float32), field(2, shape)))));
}

/**
 * An input or output. ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1, dim_param 2 }}}}}.
 *
 * @param shape a name is a free size, '' one that differs from all others
 */
export function makeValue(name: string, type: 'float32' | 'float16' | 'uint8', shape: (number | string)[]): Buffer {
  const dims = shape.map((size) => field(1, size === '' ? '' : typeof size === 'number' ? field(1, size) : field(2, size)));
  const tensor = message(field(1, type === 'float16' ? 10 : ELEMENT_TYPES[type]), field(2, message(...dims)));
  return message(field(1, name), field(2, field(1, tensor)));
}

/** Name and dimensions of a weight. TensorProto { dims 1, name 8 }. */
export function weightShape(tensor: Buffer): { name: string; dims: number[] } {
  const fields = fieldsOf(tensor);
  const name = fields.find(({ number }) => number === 8)?.bytes.toString('utf8') ?? '';
  return { name, dims: fields.flatMap((one) => (one.number === 1 ? numbersIn(one) : [])) };
}

/** The numbers of a repeated field: one to a field, or packed into one. */
function numbersIn({ value, bytes }: MessageField): number[] {
  return bytes.length > 0 ? varintsOf(bytes) : [value];
}
