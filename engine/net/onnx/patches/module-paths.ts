import type { GraphNode } from '../node';
import { fieldsOf } from '../protobuf';
import type { GraphIndex } from './graph-index';

/** A product with a weight: a linear layer or a convolution of the model that was exported. */
export interface Product<N extends GraphNode = GraphNode> {
  node: N;
  /** Of its layer's weight, as PyTorch has it: [out, in], or [out, in / groups, kh, kw]. */
  dims: number[];
  /** TensorProto.DataType of what it computes with: 1 float32, 10 float16, 16 bfloat16. */
  type: number;
}

const FLOAT = 1;

/**
 * All products of a graph by the path of the layer that they came from, such as
 * `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. Exporters leave it in up to three places: in the node's
 * name, in that of its weight, and in the node's metadata; the outermost pieces may be those of a wrapper.
 */
export function productsByPath<N extends GraphNode & { bytes: Buffer }>(index: GraphIndex, nodes: readonly N[]): Map<string, Product<N>[]> {
  const products = new Map<string, Product<N>[]>();
  for (const node of nodes) {
    if (node.operator !== 'MatMul' && node.operator !== 'Gemm' && node.operator !== 'Conv') continue;
    const weight = weightOf(index, node.inputs[1]);
    if (!weight) continue;
    const isTransposed = node.operator === 'MatMul' || (node.operator === 'Gemm' && !transB(node));
    const dims = isTransposed ? [...weight.dims].reverse() : weight.dims;
    const product = { node, dims, type: weight.type };
    for (const path of new Set(pathsOf(node.bytes, weight.name))) products.set(path, [...(products.get(path) ?? []), product]);
  }
  return products;
}

function transB(node: GraphNode): boolean {
  return node.attributes.some((bytes) => {
    const fields = fieldsOf(bytes);
    return (
      fields.some(({ number, bytes: name }) => number === 1 && name.toString() === 'transB') &&
      fields.some(({ number, value }) => number === 3 && value === 1)
    );
  });
}

/** A weight behind what exporters and int8 put between it and its product. */
function weightOf(index: GraphIndex, tensor: string, isTransposed = false): { name: string; dims: number[]; type: number } | undefined {
  const own = index.weight(tensor);
  if (own) return { name: tensor, dims: isTransposed ? [...own.dims].reverse() : own.dims, type: own.type };
  const node = index.producer(tensor);
  if (!node) return undefined;
  const inner =
    node.operator === 'Transpose'
      ? weightOf(index, node.inputs[0], !isTransposed)
      : PASSING.includes(node.operator)
        ? weightOf(index, node.inputs[0], isTransposed)
        : undefined;
  if (!inner) return undefined;
  if (node.operator === 'Cast') return { ...inner, type: castType(node) };
  return node.operator === 'DequantizeLinear' ? { ...inner, type: FLOAT } : inner;
}

const PASSING = ['Cast', 'Identity', 'QuantizeLinear', 'DequantizeLinear'];

/** AttributeProto { i 3 } of the only attribute that a Cast needs. */
function castType(node: GraphNode): number {
  const to = node.attributes
    .map((bytes) => fieldsOf(bytes))
    .find((fields) => fields.some(({ number, bytes }) => number === 1 && bytes.toString() === 'to'));
  return to?.find(({ number }) => number === 3)?.value ?? FLOAT;
}

/** Where a path may stand. NodeProto { name 3, metadata_props 9 { key 1, value 2 }}. */
function pathsOf(bytes: Buffer, weight: string): string[] {
  const fields = fieldsOf(bytes);
  const name = fields.find(({ number }) => number === 3)?.bytes.toString('utf8') ?? '';
  const scopes = fields
    .filter(({ number }) => number === 9)
    .map(({ bytes: entry }) => fieldsOf(entry).map((part) => part.bytes.toString('utf8')))
    .find(([key]) => key === 'pkg.torch.onnx.name_scopes')?.[1];
  // "['', 'down_blocks.0', …, 'down_blocks.0.….to_q', 'linear_3']": the last dotted one that is no operation of its own.
  const listed = [...(scopes ?? '').matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => a ?? b);
  return [
    weight.replace(/[._](weight|kernel)(_.*)?$/, ''),
    name.split('/').filter(Boolean).slice(0, -1).join('.'),
    ...listed.slice(-2),
  ].filter((path) => path !== '');
}
