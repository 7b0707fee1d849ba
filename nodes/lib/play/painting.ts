import type { NodeAPI } from 'node-red';
import type { PromptSpec } from '../../../engine/host/protocol/messages';
import { resolveOptions } from '../../../engine/diffusion/options';
import { strengthOf, tIndexListOf } from '../../../engine/diffusion/strength';
import { denoiserBefore, flowNodes } from '../common/flow-graph';
import { type Painting, PAINTINGS } from '../common/painting';
import { KNOBS, type Knob, type PlayValues, type Prompt } from './values';

/** The settings of the nearest denoiser before a sink, by wires and links; undefined where there is none. */
export function paintingBefore(RED: NodeAPI, sinkId: string): Painting | undefined {
  const id = denoiserBefore(flowNodes(RED), sinkId)?.id;
  return id === undefined ? undefined : PAINTINGS.of(RED.nodes.getNode(id))?.painting();
}

/**
 * The values that a page shows of a denoiser's settings.
 *
 * @param shown the values that it shows now: a strength that means the same steps is not changed
 */
export function valuesOf({ settings, conditioning, adapters }: Painting, shown: PlayValues): PlayValues {
  const { format: _format, quality: _quality, ...options } = settings;
  const resolved = resolveOptions(options, 1);
  const { tIndexList, numInferenceSteps } = resolved;
  const all = { ...resolved, steps: tIndexList.length, strength: strengthOf(tIndexList, numInferenceSteps) };
  const { strength = all.strength } = shown.params;
  const isSame = tIndexListOf(strength, all.steps, numInferenceSteps).join() === tIndexList.join();
  const params = Object.fromEntries(
    (Object.keys(KNOBS) as Knob[]).map((name) => [name, name === 'strength' && isSame ? strength : all[name]]),
  );
  const { weights } = resolved;
  return {
    ...(conditioning && { prompt: promptOf(conditioning) }),
    params,
    weights: Object.fromEntries(adapters.map(({ name }) => [name, weights[name] ?? 1])),
  };
}

function promptOf({ prompt }: PromptSpec): Prompt {
  const texts = prompt.map((one) => ({ text: one.text, weight: one.weight ?? 1 }));
  return texts.length === 1 && texts[0].weight === 1 ? texts[0].text : texts;
}
