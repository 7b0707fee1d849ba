import { createHash } from 'node:crypto';
import type { OnnxGraph } from '../graph';
import { type GraphNode, intAttribute, makeConstant, makeNode, readNode, weightShape, withInputs } from '../node';
import { inputName } from '../edit';

/** Calibration ranges: the smallest and the largest value of a net's tensors, by name, measured once on typical pictures. */
export type TensorRanges = Record<string, [min: number, max: number]>;

/**
 * The bits of a weight, including its sign. On a processor without dot products (x86 before VNNI), ONNX Runtime adds two
 * products in sixteen bits. With weights of eight bits these sums overflow, 2 · 255 · 127 > 32,767; with seven bits they
 * cannot, 2 · 255 · 63 < 32,767.
 */
export type WeightBits = 7 | 8;

/** Operators that do nearly all of the work. */
const HEAVY = ['Conv', 'Gemm', 'MatMul'];
const INT32 = 6;
/** The scale of a weight that is zero throughout. */
const LEAST_SCALE = 1e-8;

/**
 * Makes a graph compute in int8 where the ranges of its tensors are known: it puts QuantizeLinear and DequantizeLinear
 * around them, which ONNX Runtime fuses into QLinearConv and the like. Activations have one scale per tensor, weights one
 * per output channel.
 *
 * The weights are not read: the graph computes their scales, and ONNX Runtime folds these constants when it opens it.
 *
 * @returns undefined where the ranges belong to another net
 */
export function inInt8(graph: OnnxGraph, ranges: TensorRanges, weightBits: WeightBits = 8): OnnxGraph | undefined {
  return new Quantizer(graph, ranges, weightBits).run();
}

/** A name that differs for other ranges, and for weights of other bits. */
export function int8Name(ranges: TensorRanges, weightBits: WeightBits = 8): string {
  const digest = createHash('sha256').update(JSON.stringify(ranges)).digest('hex').slice(0, 8);
  return `int8-${weightBits === 8 ? '' : `${weightBits}bit-`}${digest}`;
}

class Quantizer {
  private readonly nodes: Buffer[] = [];
  private readonly constants: Buffer[] = [];
  /** The dimensions of constants, including weights that are stored in another type and cast. */
  private readonly weights = new Map<string, number[]>();
  private readonly quantized = new Set<string>();

  constructor(
    private readonly graph: OnnxGraph,
    private readonly ranges: TensorRanges,
    private readonly weightBits: WeightBits,
  ) {
    for (const weight of graph.weights) {
      const { name, dims } = weightShape(weight);
      this.weights.set(name, dims);
    }
  }

  run(): OnnxGraph | undefined {
    const { graph, ranges } = this;
    this.constants.push(
      makeConstant('int8/max', 'float32', 2 ** (this.weightBits - 1) - 1),
      makeConstant('int8/least', 'float32', LEAST_SCALE),
    );
    for (const input of graph.inputs) this.activation(inputName(input));
    for (const bytes of graph.nodes) this.node(bytes);
    if (!Object.keys(ranges).every((name) => this.quantized.has(name))) return undefined;
    return { ...graph, nodes: this.nodes, weights: [...graph.weights, ...this.constants] };
  }

  private node(bytes: Buffer): void {
    const node = readNode(bytes);
    const { operator, inputs, outputs } = node;
    const cast = operator === 'Cast' && this.weights.get(inputs[0]);
    if (cast) this.weights.set(outputs[0], cast);
    const replaced = inputs.map((name) => (name in this.ranges ? `${name}/dequantized` : name));
    const dims = this.weights.get(inputs[1]);
    if (HEAVY.includes(operator) && inputs[0] in this.ranges && dims) {
      replaced[1] = this.weight(inputs[1], dims, outputAxis(node));
      if (operator === 'Conv' && inputs[2]) replaced[2] = this.bias(inputs[2], inputs[0], inputs[1]);
    }
    this.nodes.push(withInputs(bytes, replaced));
    for (const output of outputs) this.activation(output);
  }

  /** scale = (max − min)/255, zero point = −min/scale, with 0 in the range so that padding is exact. */
  private activation(name: string): void {
    const range = this.ranges[name];
    if (!range) return;
    const [min, max] = [Math.min(0, range[0]), Math.max(0, range[1])];
    const scale = Math.fround(Math.max((max - min) / 255, LEAST_SCALE));
    this.constants.push(makeConstant(`${name}/scale`, 'float32', scale), makeConstant(`${name}/zero`, 'uint8', Math.round(-min / scale)));
    this.nodes.push(
      makeNode('QuantizeLinear', [name, `${name}/scale`, `${name}/zero`], `${name}/quantized`),
      makeNode('DequantizeLinear', [`${name}/quantized`, `${name}/scale`, `${name}/zero`], `${name}/dequantized`),
    );
    this.quantized.add(name);
  }

  /** Symmetric, scale = max|w|/127 (with seven bits: 63) per output channel. @returns the tensor that replaces the weight */
  private weight(name: string, dims: number[], axis: number): string {
    const result = `${name}/dequantized`;
    if (this.quantized.has(name)) return result;
    this.quantized.add(name);
    const axes = dims.map((_, k) => k).filter((k) => k !== axis);
    this.constants.push(makeConstant(`${name}/zero`, 'int8', new Array<number>(dims[axis]).fill(0)));
    this.nodes.push(
      makeNode('Abs', [name], `${name}/magnitude`),
      makeNode('ReduceMax', [`${name}/magnitude`], `${name}/largest`, { axes, keepdims: 0 }),
      makeNode('Div', [`${name}/largest`, 'int8/max'], `${name}/step`),
      makeNode('Max', [`${name}/step`, 'int8/least'], `${name}/scale`),
      makeNode('QuantizeLinear', [name, `${name}/scale`, `${name}/zero`], `${name}/quantized`, { axis }),
      makeNode('DequantizeLinear', [`${name}/quantized`, `${name}/scale`, `${name}/zero`], result, { axis }),
    );
    return result;
  }

  /** Quantizes a bias in steps of (activation's scale · weight's scale), those of the products that it is added to. */
  private bias(name: string, activation: string, weight: string): string {
    const own = `${name}/of/${weight}`;
    this.nodes.push(
      makeNode('Mul', [`${activation}/scale`, `${weight}/scale`], `${own}/scale`),
      makeNode('Div', [name, `${own}/scale`], `${own}/steps`),
      makeNode('Round', [`${own}/steps`], `${own}/whole`),
      makeNode('Cast', [`${own}/whole`], `${own}/quantized`, { to: INT32 }),
      makeNode('DequantizeLinear', [`${own}/quantized`, `${own}/scale`], `${own}/dequantized`, { axis: 0 }),
    );
    return `${own}/dequantized`;
  }
}

/** The dimension of a weight that counts output channels. */
function outputAxis(node: GraphNode): number {
  if (node.operator === 'Conv') return 0;
  return node.operator === 'Gemm' && intAttribute(node, 'transB') === 1 ? 0 : 1;
}
