import type { Json } from '../util/json-file';
import type { ModelFiles } from './files';

/**
 * The kind of a model, as far as its configs tell:
 * - `starter`: the embedded model;
 * - `turbo`: distilled to render in one step, such as SD-Turbo and SDXL-Turbo;
 * - `lcm`, `tcd`: distilled for a few steps by consistency, or by trajectory consistency;
 * - `other`: not distilled, as far as it tells: it needs many steps, or a LoRA that reduces them.
 */
export type ModelKind = 'starter' | 'turbo' | 'lcm' | 'tcd' | 'other';

/** Settings of the denoiser that fit a model, under the names of its fields. */
export interface SuitedSettings {
  kind: ModelKind;
  settings: {
    width: number;
    height: number;
    strength?: number;
    steps?: number;
    numInferenceSteps?: number;
    cfgType?: 'none';
    /** Only for a model that takes its guidance as an input. */
    guidanceScale?: number;
    scheduler?: 'lcm' | 'tcd';
    eta?: number;
  };
}

/** The size of Stable Diffusion's first versions, latents. */
const USUAL_SIZE = 64;
/** The largest size in a valid config, latents. */
const LARGEST_SIZE = 512;
const SCHEDULE = 50;

const FEW_STEPS = { numInferenceSteps: SCHEDULE, cfgType: 'none' as const, scheduler: 'lcm' as const };

const BY_KIND: Record<ModelKind, Omit<SuitedSettings['settings'], 'width' | 'height'>> = {
  starter: { strength: 0.25, steps: 2, ...FEW_STEPS },
  turbo: { strength: 0.5, steps: 1, ...FEW_STEPS },
  lcm: { strength: 0.5, steps: 4, ...FEW_STEPS },
  tcd: { strength: 0.5, steps: 4, ...FEW_STEPS, scheduler: 'tcd', eta: 0.3 },
  other: {},
};

/** Models that take their guidance as an input were trained with scales around this one. */
const EMBEDDED_GUIDANCE = 8;

/**
 * The settings that fit a model, from its configs.
 *
 * @param factor picture size ÷ latent size
 */
export function suitedSettings({ nets, schedulerConfig }: ModelFiles, factor: number, isStarter: boolean): SuitedSettings {
  const unet = nets.unet?.config ?? {};
  const kind = isStarter ? 'starter' : kindOf(schedulerConfig, unet);
  const [height, width] = sizeOf(unet).map((side) => side * factor);
  const guidance = kind === 'lcm' && takesGuidance(unet) ? { guidanceScale: EMBEDDED_GUIDANCE } : {};
  return { kind, settings: { width, height, ...BY_KIND[kind], ...guidance } };
}

/** Judged by its scheduler; without one by its UNet, and finally by the name in its config. */
function kindOf(scheduler: Json, unet: Json): ModelKind {
  const { _class_name: name, timestep_spacing: spacing, prediction_type: prediction, rescale_betas_zero_snr: zeroSnr } = scheduler;
  if (name === 'LCMScheduler') return 'lcm';
  if (name === 'TCDScheduler') return 'tcd';
  // One-step models begin at the very last noise level ("trailing"); so do models that predict the velocity, which are not distilled.
  const isEuler = name === 'EulerDiscreteScheduler' || name === 'EulerAncestralDiscreteScheduler';
  if (isEuler && spacing === 'trailing' && (prediction ?? 'epsilon') === 'epsilon' && zeroSnr !== true) return 'turbo';
  if (takesGuidance(unet)) return 'lcm';
  if (name !== undefined) return 'other';
  const origin = typeof unet._name_or_path === 'string' ? unet._name_or_path : '';
  if (/turbo/i.test(origin)) return 'turbo';
  return /(^|[^a-z])lcm([^a-z]|$)/i.test(origin) ? 'lcm' : 'other';
}

function takesGuidance({ time_cond_proj_dim: width }: Json): boolean {
  return typeof width === 'number' && width > 0;
}

/** [h, w] of the latents that a UNet was trained on. */
function sizeOf({ sample_size: size }: Json): [number, number] {
  const sides = Array.isArray(size) ? size : [size, size];
  const areSizes = sides.length === 2 && sides.every((side) => Number.isInteger(side) && side > 0 && side <= LARGEST_SIZE);
  return areSizes ? (sides as [number, number]) : [USUAL_SIZE, USUAL_SIZE];
}
