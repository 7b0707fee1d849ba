import { EngineError } from '../../../errors';
import { externalWeight, intAttribute, makeConstant, makeIf, makeInt64s, makeNode, makeValue } from '../node';
import type { EditedNode, GraphEdit } from './graph-edit';
import type { GraphIndex } from './graph-index';
import type { WeightPlace } from './lora';
import { MICROSOFT } from './microsoft';
import type { Product } from './module-paths';
import { sizeAt } from './shape-values';

/** The cross-attention of one layer of a UNet, and an IP-Adapter's weights for it. */
export interface PictureAttention {
  /** The layer's path. */
  name: string;
  /** The products that compute its queries and project its result. */
  query: Product<EditedNode>;
  out: Product<EditedNode>;
  /** [inner, width] each, as PyTorch stores them. */
  key: WeightPlace;
  value: WeightPlace;
}

export interface PictureInputs {
  /** The new input with the picture's tokens for every row, float32 [B, tokens, width]. */
  tokens: string;
  /** The new input with the strength of every row, float32 [B]. */
  strength: string;
}

/**
 * Adds decoupled cross-attention to a picture's tokens (arXiv 2308.06721) beside a graph's own cross-attention:
 * out = Attn(Q, K, V) + s·Attn(Q, K_ip, V_ip). Where every row's strength is 0, it is not computed. The graph's attention
 * may be one operator or many.
 *
 * @param skips whether the provider can skip the branch with an If
 * @throws EBADMODEL where a weight does not fit, or the number of heads cannot be read from the graph
 */
export function addPictureAttention(
  edit: GraphEdit,
  index: GraphIndex,
  layers: readonly PictureAttention[],
  { tokens, strength }: PictureInputs,
  skips: boolean,
): void {
  edit.addInput(makeValue(tokens, 'float32', ['', '', layers[0].key.shape[1]]));
  edit.addInput(makeValue(strength, 'float32', ['']));
  edit.addWeights(makeConstant(`${strength}/zero`, 'float32', 0), makeInt64s(`${strength}/ones`, [1, 1]));
  edit.addFirst(
    makeNode('Abs', [strength], `${strength}/size`),
    makeNode('ReduceMax', [`${strength}/size`], `${strength}/most`, { keepdims: 0 }),
    makeNode('Greater', [`${strength}/most`, `${strength}/zero`], `${strength}/on`),
    makeNode('Shape', [strength], `${strength}/rows`),
    makeNode('Concat', [`${strength}/rows`, `${strength}/ones`], `${strength}/column`, { axis: 0 }),
    makeNode('Reshape', [strength, `${strength}/column`], `${strength}/by_row`),
  );
  const isFused = edit.nodes.some(({ operator }) => operator === 'MultiHeadAttention');
  for (const layer of layers) addLayer(edit, index, layer, { tokens, strength }, { skips, isFused });
}

function addLayer(
  edit: GraphEdit,
  index: GraphIndex,
  layer: PictureAttention,
  { tokens, strength }: PictureInputs,
  { skips, isFused }: { skips: boolean; isFused: boolean },
): void {
  const { query, out, key, value } = layer;
  const own = `${strength}/${layer.name}`;
  const [inner] = query.dims;
  const heads = headsOf(index, query.node);
  if (heads === undefined || inner % heads !== 0)
    throw new EngineError(
      'EBADMODEL',
      `the graph does not tell how many heads ${layer.name} has; export the model again without optimisation`,
    );
  if (key.shape.join() !== value.shape.join() || key.shape[0] !== inner)
    throw new EngineError(
      'EBADMODEL',
      `the IP-Adapter has [${key.shape.join(', ')}] for ${layer.name}, which is [${query.dims.join(', ')}] in the model: it was made for another model`,
    );
  const { type } = query;
  for (const [name, place] of [
    ['key', key],
    ['value', value],
  ] as const) {
    edit.addWeights(externalWeight(`${own}/${name}_file`, place.type, place.shape, place));
    edit.addFirst(
      makeNode('Cast', [`${own}/${name}_file`], `${own}/${name}_cast`, { to: type }),
      makeNode('Transpose', [`${own}/${name}_cast`], `${own}/${name}_weight`, { perm: [1, 0] }),
    );
  }
  edit.addWeights(
    makeInt64s(`${own}/heads`, [0, 0, heads, inner / heads]),
    makeInt64s(`${own}/joined`, [0, 0, inner]),
    makeConstant(`${own}/scale_value`, 'float32', Math.sqrt(heads / inner)),
  );
  const project = (name: 'key' | 'value'): Buffer => makeNode('MatMul', [`${own}/tokens`, `${own}/${name}_weight`], `${own}/${name}`);
  const steps = [
    makeNode('Cast', [tokens], `${own}/tokens`, { to: type }),
    project('key'),
    project('value'),
    ...(isFused ? fusedAttention(own, query.node.outputs[0], heads) : plainAttention(own, query.node.outputs[0], type)),
    makeNode('Cast', [`${strength}/by_row`], `${own}/strength`, { to: type }),
    makeNode('Mul', [`${own}/attention`, `${own}/strength`], `${own}/weighted`),
  ];
  const { node, position } = placeOf(edit, index, out.node);
  const text = node.inputs[position];
  const sum = (name: string): Buffer => makeNode('Add', [text, `${own}/weighted`], name);
  edit.replaceInput(node, position, own);
  if (!skips) edit.addBefore(node, ...steps, sum(own));
  else
    edit.addBefore(
      node,
      makeIf(
        `${strength}/on`,
        own,
        type,
        { nodes: [...steps, sum(`${own}/with`)], output: `${own}/with` },
        { nodes: [makeNode('Identity', [text], `${own}/without`)], output: `${own}/without` },
      ),
    );
}

function fusedAttention(own: string, query: string, heads: number): Buffer[] {
  const inputs = [query, `${own}/key`, `${own}/value`];
  return [makeNode('MultiHeadAttention', inputs, `${own}/attention`, { num_heads: heads }, MICROSOFT)];
}

function plainAttention(own: string, query: string, type: number): Buffer[] {
  const split = (tensor: string, name: string, perm: number[]): Buffer[] => [
    makeNode('Reshape', [tensor, `${own}/heads`], `${own}/${name}_split`),
    makeNode('Transpose', [`${own}/${name}_split`], `${own}/${name}_heads`, { perm }),
  ];
  return [
    ...split(query, 'q', [0, 2, 1, 3]),
    ...split(`${own}/key`, 'k', [0, 2, 3, 1]),
    ...split(`${own}/value`, 'v', [0, 2, 1, 3]),
    makeNode('MatMul', [`${own}/q_heads`, `${own}/k_heads`], `${own}/products`),
    makeNode('Cast', [`${own}/scale_value`], `${own}/scale`, { to: type }),
    makeNode('Mul', [`${own}/products`, `${own}/scale`], `${own}/scores`),
    makeNode('Softmax', [`${own}/scores`], `${own}/shares`, { axis: 3 }),
    makeNode('MatMul', [`${own}/shares`, `${own}/v_heads`], `${own}/by_head`),
    makeNode('Transpose', [`${own}/by_head`], `${own}/together`, { perm: [0, 2, 1, 3] }),
    makeNode('Reshape', [`${own}/together`, `${own}/joined`], `${own}/attention`),
  ];
}

/** The number of heads of a layer, read from its own attention: configs express it in two ways. */
function headsOf(index: GraphIndex, query: EditedNode): number | undefined {
  const users = usersOf(index, query.outputs[0]);
  for (const user of users) {
    if (user.operator === 'MultiHeadAttention') return intAttribute(user, 'num_heads');
    const heads = user.operator === 'Reshape' ? sizeAt(index, user.inputs[1], 2) : undefined;
    if (heads !== undefined && heads > 0) return heads;
  }
  return undefined;
}

/** The users of a tensor, looking through nodes that only multiply, cast or round it. */
function usersOf(index: GraphIndex, tensor: string, depth = 0): ReturnType<GraphIndex['users']> {
  return index
    .users(tensor)
    .flatMap((user) => (PASSING.includes(user.operator) && depth < 4 ? usersOf(index, user.outputs[0], depth + 1) : [user]));
}

const PASSING = ['Mul', 'Div', 'Cast', 'Identity', 'QuantizeLinear', 'DequantizeLinear'];

/** The place where a product takes its input, before the input is rounded to int8. */
function placeOf(edit: GraphEdit, index: GraphIndex, node: EditedNode): { node: EditedNode; position: number } {
  const dequantized = index.producer(node.inputs[0]);
  const quantized = dequantized?.operator === 'DequantizeLinear' ? index.producer(dequantized.inputs[0]) : undefined;
  const rounding =
    quantized?.operator === 'QuantizeLinear' ? edit.nodes.find(({ outputs }) => outputs[0] === quantized.outputs[0]) : undefined;
  return { node: rounding ?? node, position: 0 };
}
