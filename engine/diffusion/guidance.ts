/**
 * One denoising step of one frame, as linear factors: the model's prediction, guidance, and the boundary scalings of the
 * consistency model.
 *
 * Residual classifier-free guidance (arXiv 2312.12491, §3.2) replaces the negative pass of the UNet by a *virtual
 * residual noise* ε': the noise that would explain the current x_τ if the clean latent were the frame itself
 * (self-negative), or what the UNet saw in it under the negative prompt at the first step (onetime-negative).
 */
import type { CfgType, PredictionType } from '../types';
import { type LinearForm, type NoisedForm, sum, X } from './linear-form';
import type { NoiseLevel, Step } from './schedule';

export interface Guidance {
  cfgType: CfgType;
  /** γ; at 1 and below there is no guidance. */
  guidanceScale: number;
  /** δ, magnitude of the virtual residual noise. */
  delta: number;
}

/** Whether this step of a frame needs a second UNet row, with the negative prompt. */
export function needsNegativePass({ cfgType, guidanceScale }: Guidance, stepIndex: number): boolean {
  if (guidanceScale <= 1) return false;
  return cfgType === 'full' || (cfgType === 'initialize' && stepIndex === 0);
}

/** Whether the frame carries a virtual residual noise from step to step. */
export function usesResidualNoise({ cfgType, guidanceScale }: Guidance): boolean {
  return guidanceScale > 1 && (cfgType === 'self' || cfgType === 'initialize');
}

/** The clean latent that a prediction implies: x0 = (x - √(1-ᾱ) ε) / √ᾱ, or √ᾱ x - √(1-ᾱ) v, or the prediction itself. */
export function predictClean(prediction: LinearForm, { alphaProdTSqrt: a, betaProdTSqrt: b }: Step, type: PredictionType): LinearForm {
  switch (type) {
    case 'epsilon':
      return sum([1 / a, X], [-b / a, prediction]);
    case 'v_prediction':
      return sum([a, X], [-b, prediction]);
    case 'sample':
      return prediction;
  }
}

/** The noise that separates x from a clean latent: ε = (x - √ᾱ x0) / √(1-ᾱ). */
export function residualNoise(clean: LinearForm, { alphaProdTSqrt: a, betaProdTSqrt: b }: Step): LinearForm {
  return sum([1 / b, X], [-a / b, clean]);
}

/**
 * Guidance in the space of clean latents, where it is the same linear combination as in the space of noises:
 * x0 = x0⁻ + γ (x0⁺ - x0⁻).
 */
export function guide(positive: LinearForm, negative: LinearForm, guidanceScale: number): LinearForm {
  return sum([1 - guidanceScale, negative], [guidanceScale, positive]);
}

/**
 * The clean latent that a virtual residual noise implies: (x - √(1-ᾱ) δ ε') / √ᾱ. Undefined at zero terminal SNR
 * (√ᾱ = 0), where x says nothing about a clean latent.
 */
export function virtualClean(residual: LinearForm, delta: number, { alphaProdTSqrt: a, betaProdTSqrt: b }: Step): LinearForm | undefined {
  return a === 0 ? undefined : sum([1 / a, X], [(-b * delta) / a, residual]);
}

/** The boundary condition of a consistency model: x̂0 = c_out F_θ + c_skip x. */
export function applyBoundary(clean: LinearForm, { cSkip, cOut }: Step): LinearForm {
  return sum([cOut, clean], [cSkip, X]);
}

/**
 * The next x_τ' of TCD: from the clean latent and the noise in x to the intermediate level s, and from there with fresh
 * noise: √(ᾱ'/ᾱ_s) (√ᾱ_s x0 + √(1-ᾱ_s) ε) + √(1 - ᾱ'/ᾱ_s) z (arXiv 2402.19159, Algorithm 4).
 *
 * @param clean x0 after guidance
 */
export function trajectoryStep(clean: LinearForm, step: Step, s: NoiseLevel, next: Step): NoisedForm {
  const kept = next.alphaProdTSqrt / s.alphaProdTSqrt;
  const form = sum([kept * s.alphaProdTSqrt, clean], [kept * s.betaProdTSqrt, residualNoise(clean, step)]);
  return { form, scale: 1, noise: Math.sqrt(Math.max(0, 1 - kept * kept)) };
}

/**
 * The virtual residual noise of that x_τ': what separates it from the clean latent that the residual noise of this step
 * implies, or from the predicted one where that is undefined.
 */
export function trajectoryResidual(clean: LinearForm, residual: LinearForm, step: Step, nextX: NoisedForm, next: Step): NoisedForm {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = next;
  const virtual = virtualClean(residual, 1, step) ?? clean;
  return { form: sum([1 / b, nextX.form], [-a / b, virtual]), scale: 1, noise: nextX.noise / b };
}

/**
 * √ᾱ' / √(1-ᾱ') · (x̂0 - x0'): how much the virtual residual noise of the next step differs from the noise added there,
 * where x0' is the clean latent that the residual noise of this step implies (paper, Eq. 6 and 7).
 */
export function residualShift(clean: LinearForm, residual: LinearForm, step: Step, next: Step): LinearForm {
  const virtual = virtualClean(residual, 1, step);
  if (!virtual) return sum();
  const gain = next.alphaProdTSqrt / next.betaProdTSqrt;
  return sum([gain * step.cOut, clean], [-gain * step.cOut, virtual], [gain * step.cSkip * step.betaProdTSqrt, residual]);
}
