import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import type { Pictures } from '../diffusion/stream-batch';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { PromptSpec } from '../prompt/request';
import type { FollowNewest, FrameId, Prompt } from '../types';
import type { Masked } from './frame-encoder';

/** A frame between `process` and its output. */
export interface Frame {
  id: FrameId;
  enteredAt: number;
  shape: LatentShape;
  follow: FollowNewest;
  /** Whether it came with a prompt of its own. */
  hasPrompt: boolean;
  /** Known once it has entered, where one was drawn for it. */
  seed?: number;
  /** Where it is painted, if not everywhere. */
  masked?: Masked;
}

/** A frame that is ready to enter the batch. */
export interface Prepared {
  frame: Frame;
  setup: StreamSetup;
  /** img2img: the picture's clean latent; txt2img: x_T, or undefined for the stream's own noise. [C, h, w] */
  latent: Float32Array | undefined;
  /** What adapters have made of the frame's other pictures, by their names. */
  pictures: Pictures;
  conditioning: EncodedPrompt;
  /** The stream's prompt at that time. */
  prompt: Prompt | PromptSpec;
}

/** Whether a frame in flight takes over the stream's prompt. */
export function followsPrompt({ follow, hasPrompt }: Frame): boolean {
  return follow === 'all' || (follow === 'prompt' && !hasPrompt);
}

/** Whether a frame in flight takes over all settings of the newest one. */
export function followsAll({ follow }: Frame): boolean {
  return follow === 'all';
}
