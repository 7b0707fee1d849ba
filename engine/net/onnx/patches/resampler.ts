import { externalWeight, makeConstant, makeInt64s, makeNode, makeValue } from '../node';
import type { OnnxGraph } from '../graph';
import type { WeightPlace } from './lora';

/** The layers of a resampler, as PyTorch has their weights: [out, in]. */
export interface Resampler {
  /** The number of heads of its attention. */
  heads: number;
  /** The number of its learned queries, [1, count, hidden]. */
  count: number;
  hidden: number;
  /** The size of one head. */
  headSize: number;
  /** The width of an output token. */
  width: number;
  depth: number;
  /** The place of a weight, by its name without `image_proj.`. */
  place(name: string): WeightPlace;
}

/** The epsilon of PyTorch's LayerNorm. */
const EPSILON = 1e-5;

/**
 * Continues an image encoder's graph with the resampler of IP-Adapter plus (github.com/tencent-ailab/IP-Adapter, resampler.py):
 * learned queries attend to the picture's patches and to each other, layer after layer. It uses only operators that are the
 * same in all opsets.
 *
 * @param states the tensor of the graph with a state for every patch, [B, patches, embedding]
 * @param output the name of the graph's only output from now on, float32 [B, count, width]
 */
export function withResampler(graph: OnnxGraph, states: string, resampler: Resampler, output: string): OnnxGraph {
  const building = new Building(resampler);
  building.build(states, output);
  return {
    ...graph,
    nodes: [...graph.nodes, ...building.nodes],
    weights: [...graph.weights, ...building.weights],
    outputs: [makeValue(output, 'float32', ['', resampler.count, resampler.width])],
  };
}

class Building {
  readonly nodes: Buffer[] = [];
  readonly weights: Buffer[] = [];
  private made = 0;

  constructor(private readonly resampler: Resampler) {}

  build(states: string, output: string): void {
    const { depth, count, hidden } = this.resampler;
    this.weights.push(
      makeConstant('resampler/half', 'float32', 0.5),
      makeConstant('resampler/one', 'float32', 1),
      makeConstant('resampler/root', 'float32', Math.SQRT1_2),
      makeConstant('resampler/epsilon', 'float32', EPSILON),
      makeInt64s('resampler/first', [0]),
      makeInt64s('resampler/size', [count, hidden]),
    );
    const patches = this.linear(this.node('Cast', [states], { to: 1 }), 'proj_in');
    const rows = this.node('Gather', [this.node('Shape', [patches]), 'resampler/first'], { axis: 0 });
    const shape = this.node('Concat', [rows, 'resampler/size'], { axis: 0 });
    let latents = this.node('Expand', [this.weight('latents'), shape]);
    for (let k = 0; k < depth; k++) {
      latents = this.node('Add', [this.attention(patches, latents, `layers.${k}.0`), latents]);
      latents = this.node('Add', [this.feedForward(latents, `layers.${k}.1`), latents]);
    }
    const tokens = this.norm(this.linear(latents, 'proj_out'), 'norm_out');
    this.nodes.push(makeNode('Identity', [tokens], output));
  }

  private attention(patches: string, latents: string, layer: string): string {
    const { heads, headSize } = this.resampler;
    const own = this.norm(latents, `${layer}.norm2`);
    const seen = this.node('Concat', [this.norm(patches, `${layer}.norm1`), own], { axis: 1 });
    const [keys, values] = this.halves(`${layer}.to_kv.weight`);
    const split = (tensor: string, perm: number[]): string => {
      const shape = this.constant(makeInt64s, [0, 0, heads, headSize]);
      return this.node('Transpose', [this.node('Reshape', [tensor, shape])], { perm });
    };
    const query = split(this.product(own, this.weight(`${layer}.to_q.weight`)), [0, 2, 1, 3]);
    const key = split(this.product(seen, keys), [0, 2, 3, 1]);
    const value = split(this.product(seen, values), [0, 2, 1, 3]);
    const scale = this.constant((name, number: number) => makeConstant(name, 'float32', number), 1 / Math.sqrt(headSize));
    const scores = this.node('Mul', [this.node('MatMul', [query, key]), scale]);
    const read = this.node('MatMul', [this.node('Softmax', [scores], { axis: 3 }), value]);
    const together = this.node('Reshape', [
      this.node('Transpose', [read], { perm: [0, 2, 1, 3] }),
      this.constant(makeInt64s, [0, 0, heads * headSize]),
    ]);
    return this.product(together, this.weight(`${layer}.to_out.weight`));
  }

  private feedForward(latents: string, layer: string): string {
    const wide = this.product(this.norm(latents, `${layer}.0`), this.weight(`${layer}.1.weight`));
    const gate = this.node('Add', [this.node('Erf', [this.node('Mul', [wide, 'resampler/root'])]), 'resampler/one']);
    const gelu = this.node('Mul', [this.node('Mul', [wide, gate]), 'resampler/half']);
    return this.product(gelu, this.weight(`${layer}.3.weight`));
  }

  private linear(tensor: string, layer: string): string {
    return this.node('Add', [this.product(tensor, this.weight(`${layer}.weight`)), this.weight(`${layer}.bias`)]);
  }

  /** Normalises token by token. The mean is a product with 1/width, because ReduceMean takes its axes differently from opset to opset. */
  private norm(tensor: string, layer: string): string {
    const { shape } = this.resampler.place(`${layer}.weight`);
    const [width] = shape;
    const share = this.constant(
      (name, size: number) => makeConstant(name, 'float32', new Array<number>(size).fill(1 / size), [size, 1]),
      width,
    );
    const centred = this.node('Sub', [tensor, this.node('MatMul', [tensor, share])]);
    const variance = this.node('MatMul', [this.node('Mul', [centred, centred]), share]);
    const deviation = this.node('Sqrt', [this.node('Add', [variance, 'resampler/epsilon'])]);
    const normal = this.node('Div', [centred, deviation]);
    return this.node('Add', [this.node('Mul', [normal, this.weight(`${layer}.weight`)]), this.weight(`${layer}.bias`)]);
  }

  /** x · Wᵀ */
  private product(tensor: string, weight: string): string {
    return this.node('MatMul', [tensor, this.node('Transpose', [weight], { perm: [1, 0] })]);
  }

  private weight(name: string): string {
    return this.placed(name, this.resampler.place(name));
  }

  /** Splits a weight that holds the keys' rows first and then the values'. */
  private halves(name: string): [string, string] {
    const { shape, offset, length, ...place } = this.resampler.place(name);
    const half = { ...place, shape: [shape[0] / 2, shape[1]], length: length / 2 };
    return [this.placed(`${name}/k`, { ...half, offset }), this.placed(`${name}/v`, { ...half, offset: offset + length / 2 })];
  }

  private placed(name: string, place: WeightPlace): string {
    const file = `resampler/${name}`;
    this.weights.push(externalWeight(file, place.type, place.shape, place));
    return this.node('Cast', [file], { to: 1 });
  }

  private constant<V>(make: (name: string, value: V) => Buffer, value: V): string {
    const name = `resampler/constant_${this.made++}`;
    this.weights.push(make(name, value));
    return name;
  }

  private node(operator: string, inputs: string[], attributes: Record<string, number | number[]> = {}): string {
    const output = `resampler/${this.made++}`;
    this.nodes.push(makeNode(operator, inputs, output, attributes));
    return output;
  }
}
