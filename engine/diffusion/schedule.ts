import { EngineError } from '../errors';
import type { PredictionType, Scheduler } from '../types';

/** The facts of a model's scheduler_config.json that a stream needs, with the meaning and defaults of diffusers' LCMScheduler. */
export interface SchedulerConfig {
  /** T, the number of training timesteps. Default 1000. */
  numTrainTimesteps: number;
  /** Default 0.00085. */
  betaStart: number;
  /** Default 0.012. */
  betaEnd: number;
  betaSchedule: 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
  predictionType: PredictionType;
  /** Zero-terminal-SNR rescale (arXiv 2305.08891). */
  rescaleBetasZeroSnr: boolean;
  /** Length of the schedule that a consistency model was distilled on. Default 50. */
  originalInferenceSteps: number;
  /** Default 10. */
  timestepScaling: number;
}

/** How much of a latent is picture and how much is noise. */
export interface NoiseLevel {
  /** √ᾱ */
  alphaProdTSqrt: number;
  /** √(1-ᾱ) */
  betaProdTSqrt: number;
}

/** What one denoising step needs to know, as in the paper's Eq. 1–4. */
export interface Step extends NoiseLevel {
  /** τ, 0..T-1. */
  timestep: number;
  /** Consistency-model boundary scalings: x̂0 = c_out · F_θ + c_skip · x_τ. */
  cSkip: number;
  cOut: number;
  /** TCD: the level s on the way to the next step, after which the noise is fresh; the last step has none. */
  intermediate?: NoiseLevel;
}

/** σ of the data in the boundary condition, fixed in diffusers' LCMScheduler. */
const SIGMA_DATA = 0.5;

/**
 * ᾱ_t, the cumulative product of 1 - β_t.
 *
 * @returns [T], descending
 */
export function alphasCumprod(config: SchedulerConfig): Float64Array {
  const betas = betaSchedule(config);
  const cumprod = new Float64Array(betas.length);
  let product = 1;
  for (let t = 0; t < betas.length; t++) cumprod[t] = product *= Math.fround(1 - betas[t]);
  return config.rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(cumprod) : cumprod;
}

/** β_t as diffusers computes it, rounded to float32 where diffusers rounds. */
function betaSchedule({ betaSchedule, betaStart, betaEnd, numTrainTimesteps: T }: SchedulerConfig): Float64Array {
  const ramp = (from: number, to: number) => Float64Array.from({ length: T }, (_, t) => Math.fround(from + ((to - from) * t) / (T - 1)));
  switch (betaSchedule) {
    case 'linear':
      return ramp(betaStart, betaEnd);
    case 'scaled_linear':
      return ramp(Math.sqrt(betaStart), Math.sqrt(betaEnd)).map((root) => Math.fround(root * root));
    case 'squaredcos_cap_v2': {
      const alphaBar = (t: number) => Math.cos(((t / T + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
      return Float64Array.from({ length: T }, (_, t) => Math.min(1 - alphaBar(t + 1) / alphaBar(t), 0.999));
    }
  }
}

/** Shifts and scales √ᾱ so that the last timestep is pure noise (Lin et al., arXiv 2305.08891, Algorithm 1). */
function rescaleZeroTerminalSnr(cumprod: Float64Array): Float64Array {
  const first = Math.sqrt(cumprod[0]);
  const last = Math.sqrt(cumprod[cumprod.length - 1]);
  return cumprod.map((alpha) => (((Math.sqrt(alpha) - last) * first) / (first - last)) ** 2);
}

/**
 * The timesteps that `tIndexList` points into, as diffusers' LCMScheduler spaces them: `numInferenceSteps` picked evenly
 * from the `originalInferenceSteps` timesteps of the distillation.
 *
 * @returns [numInferenceSteps], descending, e.g. 999, 979, …, 19
 * @throws EBADPARAM when there are more inference steps than original ones
 */
export function inferenceTimesteps(config: SchedulerConfig, numInferenceSteps: number): number[] {
  const { numTrainTimesteps, originalInferenceSteps } = config;
  if (numInferenceSteps > originalInferenceSteps) {
    throw new EngineError(
      'EBADPARAM',
      `numInferenceSteps is ${numInferenceSteps}, but this model's schedule has ${originalInferenceSteps} steps; choose at most that many`,
    );
  }
  const stride = Math.floor(numTrainTimesteps / originalInferenceSteps);
  return Array.from({ length: numInferenceSteps }, (_, i) => {
    const index = Math.floor((i * originalInferenceSteps) / numInferenceSteps);
    return (originalInferenceSteps - index) * stride - 1;
  });
}

/**
 * The denoising steps of a stream: one per entry of `tIndexList`.
 *
 * TCD has no boundary scalings. Its step to the next timestep t' goes through s = ⌊(1-η)·t'⌋ (arXiv 2402.19159, Algorithm 4).
 *
 * @param eta η of TCD, 0..1
 */
export function denoisingSteps(
  config: SchedulerConfig,
  numInferenceSteps: number,
  tIndexList: readonly number[],
  scheduler: Scheduler = 'lcm',
  eta = 0.3,
): Step[] {
  const timesteps = inferenceTimesteps(config, numInferenceSteps);
  const cumprod = alphasCumprod(config);
  const levelAt = (t: number): NoiseLevel => ({ alphaProdTSqrt: Math.sqrt(cumprod[t]), betaProdTSqrt: Math.sqrt(1 - cumprod[t]) });
  return tIndexList.map((index, i) => {
    const timestep = timesteps[index];
    if (scheduler === 'tcd') {
      const next = timesteps[tIndexList[i + 1]];
      const intermediate = next === undefined ? undefined : levelAt(Math.floor((1 - eta) * next));
      return { timestep, ...levelAt(timestep), cSkip: 0, cOut: 1, intermediate };
    }
    const scaled = timestep * config.timestepScaling;
    return {
      timestep,
      ...levelAt(timestep),
      cSkip: SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2),
      cOut: scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2),
    };
  });
}
