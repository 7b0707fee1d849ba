import { field, fieldsOf, message } from './protobuf';

/** What matters of a node of a graph. */
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

/** A node of the ONNX standard; attributes are whole numbers or lists of them. */
export function makeNode(operator: string, inputs: string[], output: string, attributes: Record<string, number | number[]> = {}): Buffer {
  // AttributeProto { name 1, i 3, ints 8, type 20: INT 2, INTS 7 }.
  const attribute = ([name, given]: [string, number | number[]]): Buffer =>
    typeof given === 'number'
      ? message(field(1, name), field(3, given), field(20, 2))
      : message(field(1, name), ...given.map((one) => field(8, one)), field(20, 7));
  return message(
    ...inputs.map((input) => field(1, input)),
    field(2, output),
    field(4, operator),
    ...Object.entries(attributes).map((entry) => field(5, attribute(entry))),
  );
}

/** The node with other inputs. All fields of a NodeProto are texts or messages. */
export function withInputs(bytes: Buffer, inputs: string[]): Buffer {
  const others = fieldsOf(bytes).filter(({ number }) => number !== 1);
  return message(...inputs.map((input) => field(1, input)), ...others.map(({ number, bytes: content }) => field(number, content)));
}

/** A whole number among a node's attributes. AttributeProto { name 1, i 3 }. */
export function intAttribute({ attributes }: GraphNode, name: string): number | undefined {
  const found = attributes.map((bytes) => fieldsOf(bytes)).find((fields) => fields.some(({ number, bytes }) => number === 1 && bytes.toString('utf8') === name));
  return found?.find(({ number }) => number === 3)?.value;
}

const ELEMENT_TYPES = { float32: 1, uint8: 2, int8: 3 };

/**
 * A constant. TensorProto { dims 1, data_type 2, name 8, raw_data 9 }.
 *
 * @param dims default: one dimension, or none for a single value
 */
export function makeConstant(name: string, type: keyof typeof ELEMENT_TYPES, values: number | number[], dims = typeof values === 'number' ? [] : [values.length]): Buffer {
  const list = typeof values === 'number' ? [values] : values;
  const { buffer } = type === 'float32' ? Float32Array.from(list) : type === 'int8' ? Int8Array.from(list) : Uint8Array.from(list);
  return message(
    ...dims.map((size) => field(1, size)),
    field(2, ELEMENT_TYPES[type]),
    field(8, name),
    field(9, new Uint8Array(buffer)),
  );
}

/** A float32 input or output. ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 }}}}}. */
export function makeValueInfo(name: string, dims: number[]): Buffer {
  const shape = message(...dims.map((size) => field(1, field(1, size))));
  return message(field(1, name), field(2, field(1, message(field(1, ELEMENT_TYPES.float32), field(2, shape)))));
}

/** Name and dimensions of a weight. TensorProto { dims 1, name 8 }. */
export function weightShape(tensor: Buffer): { name: string; dims: number[] } {
  const fields = fieldsOf(tensor);
  const name = fields.find(({ number }) => number === 8)?.bytes.toString('utf8') ?? '';
  return { name, dims: fields.flatMap((one) => (one.number === 1 ? dimensions(one.value, one.bytes) : [])) };
}

/** Numbers of a list stand one by one, or packed behind each other. */
function dimensions(value: number, packed: Buffer): number[] {
  if (packed.length === 0) return [value];
  const numbers: number[] = [];
  for (let at = 0, number = 0, shift = 0; at < packed.length; at++) {
    number += (packed[at] & 0x7f) * 2 ** shift;
    shift += 7;
    if (packed[at] < 0x80) {
      numbers.push(number);
      number = shift = 0;
    }
  }
  return numbers;
}
