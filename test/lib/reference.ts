import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RawImage, StreamOptions } from '../../engine';
import type { SchedulerConfig } from '../../engine/diffusion/schedule';

/** The checkout, from dist/test/lib. */
export const ROOT = resolve(__dirname, '../../..');
export const REFERENCE = join(ROOT, 'test/fixtures/reference');
export const REFERENCE_MODEL = join(REFERENCE, 'model');

/** The schedule of Stable Diffusion, with LCMScheduler's defaults where a model says nothing. */
export const STABLE_DIFFUSION: SchedulerConfig = {
  numTrainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  predictionType: 'epsilon',
  rescaleBetasZeroSnr: false,
  originalInferenceSteps: 50,
  timestepScaling: 10,
};

/** A recording of the published Python implementation's results, see test/fixtures/reference. */
export interface Recording {
  case: {
    mode: 'img2img' | 'txt2img';
    t_index_list: number[];
    cfg_type: 'none' | 'full' | 'self' | 'initialize';
    guidance_scale: number;
    delta: number;
    do_add_noise: boolean;
    use_denoising_batch: boolean;
    frame_buffer_size: number;
    num_inference_steps: number;
    seed: number;
    prompt: string;
    negative_prompt: string;
    frames: number;
    /** The call before which the prompt changes, and the new prompt. */
    update_prompt_at?: [number, string];
  };
  sub_timesteps: number[];
  alpha_prod_t_sqrt: number[];
  beta_prod_t_sqrt: number[];
  c_skip: number[];
  c_out: number[];
  token_ids: Record<string, number[]>;
  tensor(name: string): { shape: number[]; data: Float32Array };
  frame(index: number): RawImage;
}

export function recording(name: string): Recording {
  const json = JSON.parse(readFileSync(join(REFERENCE, 'cases', `${name}.json`), 'utf8'));
  const bytes = readFileSync(join(REFERENCE, 'cases', `${name}.bin`));
  const slice = (tensor: string) => {
    const { offset, bytes: length } = json.tensors[tensor];
    return Uint8Array.prototype.slice.call(bytes, offset, offset + length);
  };
  return {
    ...json,
    tensor: (tensor) => ({ shape: json.tensors[tensor].shape, data: new Float32Array(slice(tensor).buffer) }),
    frame(index) {
      const [, channels, height, width] = json.tensors.frames.shape as number[];
      const planes = slice('frames').subarray(index * channels * height * width);
      const data = new Uint8Array(width * height * 3);
      for (let k = 0; k < width * height; k++) for (let c = 0; c < 3; c++) data[k * 3 + c] = planes[c * width * height + k];
      return { data, width, height, channels: 3 };
    },
  };
}

export function streamOptions({ case: c }: Recording): StreamOptions {
  return {
    mode: c.mode,
    width: 64,
    height: 64,
    tIndexList: c.t_index_list,
    numInferenceSteps: c.num_inference_steps,
    cfgType: c.cfg_type,
    guidanceScale: c.guidance_scale,
    delta: c.delta,
    doAddNoise: c.do_add_noise,
    useDenoisingBatch: c.use_denoising_batch,
    frameBufferSize: c.frame_buffer_size,
    seed: c.seed,
  };
}

/** The largest difference, in standard deviations of the expected values. */
export function relativeError(got: ArrayLike<number>, expected: Float32Array): number {
  if (got.length !== expected.length) return Infinity;
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  const deviation = Math.sqrt(expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / expected.length);
  let worst = 0;
  for (let k = 0; k < expected.length; k++) {
    const difference = Math.abs(got[k] - expected[k]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst / deviation;
}
