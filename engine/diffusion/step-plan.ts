import type { PredictionType } from '../types';
import {
  applyBoundary,
  type Guidance,
  guide,
  predictClean,
  residualNoise,
  residualShift,
  trajectoryResidual,
  trajectoryStep,
  needsNegativePass,
  usesResidualNoise,
  virtualClean,
} from './guidance';
import { type LinearForm, NEGATIVE, type NoisedForm, POSITIVE, RESIDUAL } from './linear-form';
import type { Step } from './schedule';

/** The settings that a frame is denoised with, from its entry to its end. */
export interface DenoiseConfig extends Guidance {
  steps: readonly Step[];
  predictionType: PredictionType;
  doAddNoise: boolean;
  /** Strength of each adapter, by its name. */
  weights?: Readonly<Record<string, number>>;
}

/** One step of one frame, as factors of the latents that {@link LinearForm} names. */
export interface StepPlan {
  /** ε' of this step, where it is derived from the negative prediction. The other forms then use it. */
  residual?: NoisedForm;
  /** x_τ' of the next step, or x̂0 after the last one. */
  latent: NoisedForm;
  /** ε' of the next step; undefined where none is carried on. */
  nextResidual?: NoisedForm;
}

/** Plans what step number `stepIndex` of a frame computes. */
export function planStep(config: DenoiseConfig, stepIndex: number): StepPlan {
  const { steps, predictionType, doAddNoise } = config;
  const step = steps[stepIndex];
  const next: Step | undefined = steps[stepIndex + 1];
  const negative = needsNegativePass(config, stepIndex) ? predictClean(NEGATIVE, step, predictionType) : undefined;
  const carries = usesResidualNoise(config);
  const residual = carries && negative ? { residual: plain(residualNoise(negative, step)) } : {};
  const clean = guided(config, step, negative);
  const denoised = applyBoundary(clean, step);
  if (!next) return { ...residual, latent: plain(denoised) };
  if (step.intermediate) {
    const latent = trajectoryStep(clean, step, step.intermediate, next);
    return { ...residual, latent, ...(carries && { nextResidual: trajectoryResidual(clean, RESIDUAL, step, latent, next) }) };
  }
  const noise = doAddNoise ? 1 : 0;
  return {
    ...residual,
    latent: { form: denoised, scale: next.alphaProdTSqrt, noise: noise * next.betaProdTSqrt },
    // Without added noise the residual is the shift alone: the reference adds noise here that x_τ does not contain.
    ...(carries && { nextResidual: { form: residualShift(clean, RESIDUAL, step, next), scale: 1, noise } }),
  };
}

/** x0 after guidance. */
function guided(config: DenoiseConfig, step: Step, negative: LinearForm | undefined): LinearForm {
  const positive = predictClean(POSITIVE, step, config.predictionType);
  // At zero terminal SNR there is no residual guidance.
  const other = usesResidualNoise(config) ? virtualClean(RESIDUAL, config.delta, step) : negative;
  return other ? guide(positive, other, config.guidanceScale) : positive;
}

function plain(form: LinearForm): NoisedForm {
  return { form, scale: 1, noise: 0 };
}
