import type { NodeAPI, NodeMessage } from 'node-red';
import type { AdapterInfo } from '../../../engine/types';
import { ANY_ADAPTER } from '../../../engine/prompt/request';
import { denoiserBehind, flowNodes } from '../common/flow-graph';
import { PAINTINGS } from '../common/painting';

/** The adapters of the engine that a prompt encoder's prompts are for, as far as they are known by now. */
export function adaptersBehind(RED: NodeAPI, id: string): readonly AdapterInfo[] {
  const denoiser = denoiserBehind(flowNodes(RED), id);
  return (denoiser && PAINTINGS.of(RED.nodes.getNode(denoiser.id))?.painting().adapters) ?? [];
}

/**
 * Takes the pictures that are for the prompt out of `msg.pictures`; what belongs to the frame goes on with it. Where the engine
 * is not known yet, those of a frame are the frame's, and those of a message without one the prompt's.
 *
 * @returns undefined where there are none
 */
export function takePictures(msg: NodeMessage, adapters: readonly AdapterInfo[], isFrame: boolean): unknown {
  const { pictures } = msg;
  if (pictures === undefined || pictures === null) return undefined;
  // The denoiser says what is wrong with those of a frame.
  if (typeof pictures !== 'object' || Array.isArray(pictures)) return isFrame ? undefined : pictures;
  const isForPrompt = (name: string): boolean => {
    const adapter = adapters.find((each) => each.name === name);
    if (adapter) return adapter.picture === 'prompt';
    if (name === ANY_ADAPTER) return !isFrame || adapters.some((each) => each.picture === 'prompt');
    return !isFrame && name !== 'mask';
  };
  const [own, others]: [string, unknown][][] = [[], []];
  for (const [name, picture] of Object.entries(pictures)) (isForPrompt(name) ? own : others).push([name, picture]);
  if (own.length === 0) return undefined;
  if (others.length > 0) msg.pictures = Object.fromEntries(others);
  else delete msg.pictures;
  return Object.fromEntries(own);
}
