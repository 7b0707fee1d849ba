import { EngineError } from '../../../errors';
import {
  externalWeight,
  intAttribute,
  intsAttribute,
  makeConstant,
  makeInt64s,
  makeIf,
  makeNode,
  makeValue,
  type AttributeValue,
} from '../node';
import type { GraphIndex } from './graph-index';
import type { EditedNode, GraphEdit } from './graph-edit';
import { MICROSOFT } from './microsoft';
import type { Product } from './module-paths';

/** The name of a net's input for the strength of a LoRA, float32 [B]. */
export function loraInput(name: string): string {
  return `${LORA_INPUTS}${name}`;
}

export const LORA_INPUTS = 'lora/';

/** A matrix in another file: its place there, and its shape as PyTorch has it. */
export interface WeightPlace {
  /** The file's path relative to the graph's folder. */
  location: string;
  offset: number;
  length: number;
  /** A TensorProto.DataType. */
  type: number;
  shape: number[];
}

/** A LoRA's part in one layer: y += strength · factor · up · down · x. */
export interface LoraLayer {
  name: string;
  down: WeightPlace;
  up: WeightPlace;
  /** alpha ÷ rank */
  factor: number;
  /** The products of this layer in the graph. */
  products: Product<EditedNode>[];
}

export interface LoraBranches {
  /** The name of the new input with the strength of every row, float32 [B]. */
  input: string;
  layers: LoraLayer[];
}

/** What a provider can do. */
export interface LoraProvider {
  /** Whether it can skip branches with an If. */
  skips: boolean;
  /** Whether it multiplies with a matrix as it lies in the file, so that none has to be turned and copied when the net is opened. */
  turns: boolean;
}

/** TensorProto.DataType of float32. */
const FLOAT = 1;

/**
 * Adds the branches of a LoRA beside the products of a graph, with an input for the strength of every row. Where every
 * strength is 0, the branches are not computed.
 *
 * @throws EBADMODEL where a matrix does not fit its product
 */
export function addLora(edit: GraphEdit, index: GraphIndex, { input, layers }: LoraBranches, provider: LoraProvider): void {
  if (provider.turns) edit.allowMicrosoft();
  edit.addInput(makeValue(input, 'float32', ['']));
  edit.addFirst(
    makeNode('Abs', [input], `${input}/size`),
    makeNode('ReduceMax', [`${input}/size`], `${input}/most`, { keepdims: 0 }),
    makeNode('Greater', [`${input}/most`, `${input}/zero`], `${input}/on`),
    makeNode('Shape', [input], `${input}/rows`),
    makeNode('Concat', [`${input}/rows`, `${input}/rest`], `${input}/flat`, { axis: 0 }),
    makeNode('Concat', [`${input}/rows`, `${input}/one`], `${input}/column`, { axis: 0 }),
    makeNode('Concat', [`${input}/rows`, `${input}/ones`], `${input}/pictures`, { axis: 0 }),
  );
  edit.addWeights(
    makeConstant(`${input}/zero`, 'float32', 0),
    makeInt64s(`${input}/rest`, [-1]),
    makeInt64s(`${input}/one`, [1]),
    makeInt64s(`${input}/ones`, [1, 1, 1]),
  );
  const strengths = new Strengths(edit, input);
  for (const layer of layers)
    for (const [k, product] of layer.products.entries()) addBranch(edit, index, strengths, { layer, product, k, provider });
}

/** A LoRA's strength per row in the form that its products need, computed once for each factor and type. */
class Strengths {
  private readonly made = new Set<string>();

  constructor(
    private readonly edit: GraphEdit,
    readonly input: string,
  ) {}

  /** @returns the name of a tensor [B, 1], or for convolutions [B, 1, 1, 1] */
  of(factor: number, type: number, isConvolution: boolean): string {
    const name = `${this.input}/${isConvolution ? 'conv' : 'linear'}_${type}_${factor}`;
    if (this.made.has(name)) return name;
    this.made.add(name);
    this.edit.addWeights(makeConstant(`${name}/factor`, 'float32', factor));
    this.edit.addFirst(
      makeNode('Mul', [this.input, `${name}/factor`], `${name}/scaled`),
      makeNode('Cast', [`${name}/scaled`], `${name}/cast`, { to: type }),
      makeNode('Reshape', [`${name}/cast`, `${this.input}/${isConvolution ? 'pictures' : 'column'}`], name),
    );
    return name;
  }
}

function addBranch(
  edit: GraphEdit,
  index: GraphIndex,
  strengths: Strengths,
  { layer, product, k, provider }: { layer: LoraLayer; product: Product<EditedNode>; k: number; provider: LoraProvider },
): void {
  const { node, type } = product;
  const { input } = strengths;
  const isConvolution = node.operator === 'Conv';
  const own = `${input}/${layer.name}/${k}`;
  const isTurned = !isConvolution && !(provider.turns && type === FLOAT);
  const [down, up] = matrices(edit, layer, product, own, { isConvolution, isTurned });
  const multiply = (tensor: string, matrix: string, output: string): Buffer =>
    isTurned ? makeNode('MatMul', [tensor, matrix], output) : makeNode('FusedMatMul', [tensor, matrix], output, { transB: 1 }, MICROSOFT);
  const strength = strengths.of(layer.factor, type, isConvolution);
  const x = beforeRounding(index, node.inputs[0]);
  const steps = isConvolution
    ? [
        makeNode('Conv', [x, down], `${own}/low`, convolution(node, layer)),
        makeNode('Mul', [`${own}/low`, strength], `${own}/weighted`),
        makeNode('Conv', [`${own}/weighted`, up], `${own}/high`),
      ]
    : [
        multiply(x, down, `${own}/low`),
        // A tensor [B, …, rank] of any number of dimensions becomes [B, …·rank]: rows are contiguous in both.
        makeNode('Shape', [`${own}/low`], `${own}/shape`),
        makeNode('Reshape', [`${own}/low`, `${input}/flat`], `${own}/rows`),
        makeNode('Mul', [`${own}/rows`, strength], `${own}/weighted_rows`),
        makeNode('Reshape', [`${own}/weighted_rows`, `${own}/shape`], `${own}/weighted`),
        multiply(`${own}/weighted`, up, `${own}/high`),
      ];
  // The branch is added after the bias, so that ONNX Runtime can still fuse product and bias.
  const end = biasOf(edit, index, node) ?? node;
  const output = end.outputs[0];
  const plain = `${own}/plain`;
  edit.renameOutput(end, 0, plain);
  const sum = (name: string): Buffer => makeNode('Add', [plain, `${own}/high`], name);
  if (!provider.skips) edit.addAfter(end, ...steps, sum(output));
  else {
    edit.addAfter(
      end,
      makeIf(
        `${input}/on`,
        output,
        type,
        { nodes: [...steps, sum(`${own}/with`)], output: `${own}/with` },
        { nodes: [makeNode('Identity', [plain], `${own}/without`)], output: `${own}/without` },
      ),
    );
  }
}

/** The two matrices in the product's own type and layout; ONNX Runtime converts them once, when it opens the graph. */
function matrices(
  edit: GraphEdit,
  layer: LoraLayer,
  product: Product,
  own: string,
  { isConvolution, isTurned }: { isConvolution: boolean; isTurned: boolean },
): [string, string] {
  const { down, up } = layer;
  check(layer, product, isConvolution);
  return [down, up].map((matrix, k): string => {
    const name = `${own}/${k === 0 ? 'down' : 'up'}`;
    const square = matrix.shape.slice(0, 2);
    const wanted = isConvolution ? [...square, ...(matrix.shape.length === 4 ? matrix.shape.slice(2) : [1, 1])] : square;
    edit.addWeights(externalWeight(`${name}/file`, matrix.type, wanted, matrix));
    let last = `${name}/file`;
    const step = (operator: string, attributes: Record<string, AttributeValue>): void => {
      const next = `${name}/${operator}`;
      edit.addFirst(makeNode(operator, [last], next, attributes));
      last = next;
    };
    if (matrix.type !== product.type) step('Cast', { to: product.type });
    if (isTurned) step('Transpose', { perm: [1, 0] });
    return last;
  }) as [string, string];
}

function check({ name, down, up }: LoraLayer, { node, dims }: Product, isConvolution: boolean): void {
  const [out, inside] = dims;
  const isGrouped = isConvolution && node.attributes.length > 0 && groupOf(node) !== 1;
  const kernel = down.shape.slice(2);
  const kernelFits = kernel.every((size, k) => size === (isConvolution ? dims[k + 2] : 1)) || kernel.every((size) => size === 1);
  const fits =
    down.shape[1] === inside && up.shape[0] === out && down.shape[0] === up.shape[1] && up.shape.slice(2).every((size) => size === 1);
  if (fits && kernelFits && !isGrouped) return;
  throw new EngineError(
    'EBADMODEL',
    `${name} of the LoRA has [${down.shape.join(', ')}] and [${up.shape.join(', ')}], the model's layer is [${dims.join(', ')}]: it was made for another model`,
  );
}

function groupOf(node: Product['node']): number {
  return intAttribute(node, 'group') ?? 1;
}

/** The attributes of a convolution, with the LoRA's kernel size. */
function convolution(node: EditedNode, { down }: LoraLayer): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  const isPoint = down.shape.slice(2).every((size) => size === 1);
  for (const name of ['strides', 'dilations', 'pads']) {
    const values = intsAttribute(node, name);
    if (values && !(isPoint && name === 'pads')) attributes[name] = values;
  }
  return attributes;
}

/** The tensor before it was rounded to int8; a tensor that was not rounded itself. */
function beforeRounding(index: GraphIndex, tensor: string): string {
  const dequantized = index.producer(tensor);
  const quantized = dequantized?.operator === 'DequantizeLinear' ? index.producer(dequantized.inputs[0]) : undefined;
  return quantized?.operator === 'QuantizeLinear' ? quantized.inputs[0] : tensor;
}

/** The node that adds a constant bias to a product, where nothing else uses the product. */
function biasOf(edit: GraphEdit, index: GraphIndex, node: EditedNode): EditedNode | undefined {
  const [output] = node.outputs;
  const user = index.onlyUser(output);
  if (user?.operator !== 'Add') return undefined;
  const bias = user.inputs.find((input) => input !== output);
  if (bias === undefined || index.weightDims(bias)?.length !== 1) return undefined;
  return edit.nodes.find((each) => each.outputs[0] === user.outputs[0]);
}
