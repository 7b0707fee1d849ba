import { EngineError } from '../../errors';
import { withReachTo } from '../../net/onnx/further-files';
import { inputName } from '../../net/onnx/edit';
import { type OnnxGraph, readOnnxGraph } from '../../net/onnx/graph';
import { readNode } from '../../net/onnx/node';
import { fieldsOf } from '../../net/onnx/protobuf';
import { GraphIndex } from '../../net/onnx/patches/graph-index';
import type { WeightPlace } from '../../net/onnx/patches/lora';
import { type Resampler, withResampler } from '../../net/onnx/patches/resampler';
import type { Safetensors } from '../../net/safetensors';
import type { HeaderNet } from '../headers';
import { weightPlace } from './weight-place';

/** The size of a head in all published resamplers; their files do not state it. */
const HEAD_SIZE = 64;
/** The output that is added to an image encoder. */
export const TOKENS = 'ip_tokens';

/** Whether a file has the projection of an IP-Adapter plus. */
export function isPlus({ tensors }: Safetensors): boolean {
  return tensors.has('image_proj.latents');
}

/**
 * The image encoder of an IP-Adapter plus, continued by the adapter's resampler: it outputs the tokens that the UNet attends to,
 * computed from the input of the encoder's last layer.
 *
 * @param path of the encoder's .onnx file
 * @param weights the adapter's file, its path without links
 * @throws EBADMODEL where weights are missing or do not fit, or the encoder's graph does not show its layers
 */
export async function withTokens(header: HeaderNet, path: string, file: Safetensors, weights: string): Promise<HeaderNet> {
  const { graph, locations } = withReachTo(header.graph ?? (await readOnnxGraph(path)), [weights]);
  const states = statesOf(graph);
  if (states === undefined)
    throw new EngineError(
      'EBADMODEL',
      'it is an IP-Adapter plus, which needs the input of the last layer of its image encoder, and this export does not show its layers; export it again without optimisation, or with all hidden states (output_hidden_states)',
    );
  const resampler = readResampler(file, locations[0]);
  checkWidth(graph, states, file);
  const changed = withResampler(graph, states.tensor, resampler, TOKENS);
  const { count, width } = resampler;
  return { ...header, graph: changed, outputs: [{ name: TOKENS, type: 'float32', shape: ['', count, width] }] };
}

/** The beginning of an encoder's last layer: the tensor, and the weight of its first normalisation. */
interface States {
  tensor: string;
  gain?: string;
}

/** Found by the layers' names in nodes or weights, as CLIP has them; otherwise the last but one of the outputs for all hidden states. */
function statesOf(graph: OnnxGraph): States | undefined {
  const layers = graph.nodes.flatMap((bytes) => {
    const node = readNode(bytes);
    const name = [nodeName(bytes), ...node.inputs.slice(1)].find((each) => LAYER.test(each));
    const [, layer] = LAYER.exec(name ?? '') ?? [];
    return layer === undefined ? [] : [{ layer: Number(layer), tensor: node.inputs[0], gain: node.inputs[1] }];
  });
  // A normalisation may consist of several operators; the first one takes its input.
  const last = layers.reduce<(typeof layers)[number] | undefined>(
    (best, each) => (best && best.layer >= each.layer ? best : each),
    undefined,
  );
  if (last) return last;
  const outputs = graph.outputs.map(inputName);
  const numbered = outputs.flatMap((tensor) => {
    const [, number] = /^hidden_states\.(\d+)$/.exec(tensor) ?? [];
    return number === undefined ? [] : [{ tensor, number: Number(number) }];
  });
  return numbered.sort((a, b) => a.number - b.number).at(-2);
}

const LAYER = /(?:^|[./])layers[./](\d+)[./]layer_norm1(?:[./]|$)/;

/** NodeProto { name 3 }. */
function nodeName(bytes: Buffer): string {
  return (
    fieldsOf(bytes)
      .find(({ number }) => number === 3)
      ?.bytes.toString('utf8') ?? ''
  );
}

function checkWidth(graph: OnnxGraph, { gain }: States, file: Safetensors): void {
  const index = new GraphIndex(graph);
  // Exporters write equal weights once, and refer to them by an Identity elsewhere.
  const source = gain !== undefined && index.producer(gain)?.operator === 'Identity' ? index.producer(gain)?.inputs[0] : gain;
  const given = source === undefined ? undefined : index.weight(source)?.dims[0];
  const taken = file.tensors.get('image_proj.proj_in.weight')?.shape[1];
  if (given === undefined || taken === undefined || given === taken) return;
  throw new EngineError(
    'EBADMODEL',
    `its image encoder gives ${given} numbers for each patch, its projection takes ${taken}: they do not belong to one adapter`,
  );
}

/** @throws EBADMODEL */
function readResampler(file: Safetensors, location: string): Resampler {
  const place = (name: string, shape?: (number | undefined)[]): WeightPlace =>
    weightPlace(file.tensors.get(`image_proj.${name}`), `image_proj.${name}`, location, shape);
  const [, count, hidden] = place('latents', [1, undefined, undefined]).shape;
  const [inner] = place('layers.0.0.to_q.weight', [undefined, hidden]).shape;
  const [width] = place('proj_out.weight', [undefined, hidden]).shape;
  if (inner === 0 || inner % HEAD_SIZE !== 0)
    throw new EngineError('EBADMODEL', `its resampler has queries of ${inner} numbers, which are not heads of ${HEAD_SIZE}`);
  let depth = 0;
  while (file.tensors.has(`image_proj.layers.${depth}.0.to_q.weight`)) depth++;
  const vectors = (layer: string, size: number): [string, number[]][] => [
    [`${layer}.weight`, [size]],
    [`${layer}.bias`, [size]],
  ];
  const layers = Array.from({ length: depth }, (_, k): [string, (number | undefined)[]][] => [
    ...vectors(`layers.${k}.0.norm1`, hidden),
    ...vectors(`layers.${k}.0.norm2`, hidden),
    [`layers.${k}.0.to_q.weight`, [inner, hidden]],
    [`layers.${k}.0.to_kv.weight`, [2 * inner, hidden]],
    [`layers.${k}.0.to_out.weight`, [hidden, inner]],
    ...vectors(`layers.${k}.1.0`, hidden),
    [`layers.${k}.1.1.weight`, [undefined, hidden]],
    [`layers.${k}.1.3.weight`, [hidden, undefined]],
  ]);
  const wanted: [string, (number | undefined)[]][] = [
    ['proj_in.weight', [hidden, undefined]],
    ['proj_in.bias', [hidden]],
    ['proj_out.bias', [width]],
    ...vectors('norm_out', width),
    ...layers.flat(),
  ];
  for (const [name, shape] of wanted) place(name, shape);
  return { heads: inner / HEAD_SIZE, headSize: HEAD_SIZE, count, hidden, width, depth, place };
}
