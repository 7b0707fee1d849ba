import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import type { Pictures } from '../diffusion/stream-batch';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { PromptSpec } from '../prompt/request';
import type { FollowNewest, FrameId, Prompt } from '../types';
import type { Masked } from './frame-encoder';

/** A frame from `process` to its output. */
export interface Frame {
  id: FrameId;
  enteredAt: number;
  shape: LatentShape;
  follow: FollowNewest;
  /** Whether it has a prompt of its own. */
  hasPrompt: boolean;
  /** Set once the frame has entered, where a seed was drawn for it. */
  seed?: number;
  /** The frame's mask; undefined where the whole frame is denoised. */
  masked?: Masked;
}

/** A frame that is ready to enter the batch. */
export interface Prepared {
  frame: Frame;
  setup: StreamSetup;
  /** In img2img the picture's clean latent, in txt2img x_T, or undefined for the stream's own noise. [C, h, w] */
  latent: Float32Array | undefined;
  /** The frame's other pictures as their adapters prepared them, by the adapters' names. */
  pictures: Pictures;
  conditioning: EncodedPrompt;
  /** The stream's prompt when the frame was prepared. */
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
