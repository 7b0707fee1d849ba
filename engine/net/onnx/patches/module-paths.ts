import type { GraphNode } from '../node';
import { fieldsOf } from '../protobuf';
import type { GraphIndex } from './graph-index';

/** A product with a weight: a linear layer or a convolution of the exported model. */
export interface Product<N extends GraphNode = GraphNode> {
  node: N;
  /** The dimensions of its layer's weight as PyTorch has it: [out, in], or [out, in / groups, kh, kw]. */
  dims: number[];
  /** The TensorProto.DataType that it computes in: 1 float32, 10 float16, 16 bfloat16. */
  type: number;
}

const FLOAT = 1;

/**
 * All products of a graph by the path of the layer that they come from, such as
 * `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. Exporters leave the path in up to three places: in the node's
 * name, in the name of its weight, and in the node's metadata; its first pieces may belong to a wrapper.
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

/** A product's weight, looking through the nodes that exporters and int8 put between the two. */
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

/** The target type of a Cast, AttributeProto { i 3 }. */
function castType(node: GraphNode): number {
  const to = node.attributes
    .map((bytes) => fieldsOf(bytes))
    .find((fields) => fields.some(({ number, bytes }) => number === 1 && bytes.toString() === 'to'));
  return to?.find(({ number }) => number === 3)?.value ?? FLOAT;
}

/** The texts that may hold a path. NodeProto { name 3, metadata_props 9 { key 1, value 2 }}. */
function pathsOf(bytes: Buffer, weight: string): string[] {
  const fields = fieldsOf(bytes);
  const name = fields.find(({ number }) => number === 3)?.bytes.toString('utf8') ?? '';
  const scopes = fields
    .filter(({ number }) => number === 9)
    .map(({ bytes: entry }) => fieldsOf(entry).map((part) => part.bytes.toString('utf8')))
    .find(([key]) => key === 'pkg.torch.onnx.name_scopes')?.[1];
  // "['', 'down_blocks.0', …, 'down_blocks.0.….to_q', 'linear_3']": the path is the last one with a dot; those without are operations.
  const listed = [...(scopes ?? '').matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => a ?? b);
  return [
    weight.replace(/[._](weight|kernel)(_.*)?$/, ''),
    name.split('/').filter(Boolean).slice(0, -1).join('.'),
    ...listed.slice(-2),
  ].filter((path) => path !== '');
}
