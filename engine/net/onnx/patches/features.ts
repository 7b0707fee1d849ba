import { EngineError } from '../../../errors';
import type { OnnxGraph } from '../graph';
import { makeInt64s, makeNode, makeValue } from '../node';
import { channelsOf } from './control';
import { type DownPath, downPath } from './down-path';
import { GraphEdit } from './graph-edit';
import { GraphIndex } from './graph-index';

/** The first opsets with CastLike, and with the axes of a mean as an input. */
const CAST_LIKE = 15;
const AXES_AS_INPUT = 18;

const FEATURE_INPUT = /^features\/(\d+)_(\d+)$/;

/** @returns the place of a feature's input among them, and how often the latents are halved there; undefined for another input */
export function featureInput(name: string): { at: number; halvings: number } | undefined {
  const found = FEATURE_INPUT.exec(name);
  return found ? { at: Number(found[1]), halvings: Number(found[2]) } : undefined;
}

/**
 * Adds inputs for the features of T2I-Adapters (arXiv 2302.08453), `features/0_0` … (see {@link featureInput}), to a plain
 * UNet. As in diffusers, they are added at the end of every block of the contracting half, and one that is left over to the
 * middle block's output. Each is [B, C, h', w'], or zeros that are broadcast, [B, C, 1, 1].
 *
 * @param channels of each feature, where they are known
 * @param type of the inputs; a net that computes in half precision may take float32 as well
 * @throws EBADMODEL where the number of features does not fit this UNet
 */
export function withFeatureInputs(graph: OnnxGraph, channels: readonly (number | undefined)[], type: 'float32' | 'float16'): OnnxGraph {
  const index = new GraphIndex(graph);
  const { features, middle } = pathOf(index);
  const places = [...features, middle].slice(0, channels.length);
  if (channels.length !== features.length && channels.length !== features.length + 1)
    throw new EngineError(
      'EBADMODEL',
      `it gives ${channels.length} features, this UNet takes ${features.length} or ${features.length + 1}: it was made for another model`,
    );
  const edit = new GraphEdit(graph);
  places.forEach(({ tensor, halvings }, k) => {
    const name = `features/${k}_${halvings}`;
    const own = channelsOf(index, tensor);
    checkChannels(`its feature ${k + 1}`, channels[k], own);
    edit.addInput(makeValue(name, type, ['', own ?? channels[k] ?? '', '', '']));
    const end = edit.nodes.find(({ outputs }) => outputs[0] === tensor);
    if (!end) return;
    edit.renameOutput(end, 0, `${name}/without`);
    const hasCastLike = index.opset >= CAST_LIKE;
    if (hasCastLike) edit.addAfter(end, makeNode('CastLike', [name, `${name}/without`], `${name}/cast`));
    edit.addAfter(end, makeNode('Add', [`${name}/without`, hasCastLike ? `${name}/cast` : name], tensor));
  });
  return edit.result();
}

/** Where a ControlNeXt is added: after a UNet's first convolution (XL), or after its first block, where skip tensors stay unchanged. */
export type NextPlace = 'convolution' | 'block';

/**
 * Adds a ControlNeXt's residual to a plain UNet (arXiv 2408.06070), scaled to the mean and deviation of the UNet's own values
 * there and by the strength of every row.
 *
 * @param input names the new inputs: `input/control`, float32 [B, C, h', w'] of mean 0 and deviation 1, or zeros that are
 *   broadcast, [B, C, 1, 1]; and `input`, the strengths, float32 [B]
 * @throws EBADMODEL where the residual does not fit there
 */
export function withCrossNormalised(graph: OnnxGraph, input: string, place: NextPlace, channels: number | undefined): OnnxGraph {
  const index = new GraphIndex(graph);
  const { first, outputs, toJoins } = pathOf(index);
  const tensor = place === 'block' ? outputs[0] : first;
  const own = channelsOf(index, tensor);
  checkChannels('its residual', channels, own);
  const edit = new GraphEdit(graph);
  edit.addInput(makeValue(input, 'float32', ['']));
  edit.addInput(makeValue(`${input}/control`, 'float32', ['', own ?? channels ?? '', '', '']));
  edit.addWeights(makeInt64s(`${input}/axes`, [1, 2, 3]), makeInt64s(`${input}/ones`, [1, 1, 1]));
  const end = edit.nodes.find(({ outputs: made }) => made[0] === tensor);
  if (!end) return graph;
  const plain = place === 'block' ? tensor : `${input}/without`;
  const sum = place === 'block' ? `${input}/with` : tensor;
  if (place === 'convolution') edit.renameOutput(end, 0, plain);
  const mean = (of: string, name: string): Buffer =>
    index.opset >= AXES_AS_INPUT
      ? makeNode('ReduceMean', [of, `${input}/axes`], name, { keepdims: 1 })
      : makeNode('ReduceMean', [of], name, { axes: [1, 2, 3], keepdims: 1 });
  const hasCastLike = index.opset >= CAST_LIKE;
  edit.addAfter(
    end,
    makeNode('Cast', [plain], `${input}/float`, { to: 1 }),
    mean(`${input}/float`, `${input}/mean`),
    makeNode('Sub', [`${input}/float`, `${input}/mean`], `${input}/centred`),
    makeNode('Mul', [`${input}/centred`, `${input}/centred`], `${input}/squares`),
    mean(`${input}/squares`, `${input}/variance`),
    makeNode('Sqrt', [`${input}/variance`], `${input}/deviation`),
    makeNode('Mul', [`${input}/control`, `${input}/deviation`], `${input}/spread`),
    makeNode('Add', [`${input}/spread`, `${input}/mean`], `${input}/moved`),
    makeNode('Shape', [input], `${input}/rows`),
    makeNode('Concat', [`${input}/rows`, `${input}/ones`], `${input}/column`, { axis: 0 }),
    makeNode('Reshape', [input, `${input}/column`], `${input}/strength`),
    makeNode('Mul', [`${input}/moved`, `${input}/strength`], `${input}/weighted`),
    ...(hasCastLike ? [makeNode('CastLike', [`${input}/weighted`, plain], `${input}/cast`)] : []),
    makeNode('Add', [plain, hasCastLike ? `${input}/cast` : `${input}/weighted`], sum),
  );
  if (place === 'block') {
    const joins = new Set([...toJoins].map(({ outputs: made }) => made[0]));
    for (const node of edit.nodes) {
      if (joins.has(node.outputs[0])) continue;
      node.inputs.forEach((each, position) => each === tensor && edit.replaceInput(node, position, sum));
    }
  }
  return edit.result();
}

function pathOf(index: GraphIndex): DownPath {
  const path = downPath(index);
  if (path && path.outputs.length > 0) return path;
  throw new EngineError(
    'EBADMODEL',
    'this UNet joins no skip tensors, so there is no place for it; use a model shaped like Stable Diffusion',
  );
}

function checkChannels(what: string, given: number | undefined, taken: number | undefined): void {
  if (given === undefined || taken === undefined || given === taken) return;
  throw new EngineError('EBADMODEL', `${what} has ${given} channels, this UNet takes ${taken}: it was made for another model`);
}
