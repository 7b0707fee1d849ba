/**
 * One denoising step of one frame: the model's prediction, guidance, and the boundary scalings of the consistency model.
 *
 * Residual classifier-free guidance (arXiv 2312.12491, §3.2) replaces the negative pass of the UNet by a *virtual
 * residual noise* ε': the noise that would explain the current x_τ if the clean latent were the frame itself
 * (self-negative), or what the UNet saw in it under the negative prompt at the first step (onetime-negative).
 */
import type { CfgType, PredictionType } from '../types';
import type { NoiseLevel, Step } from './schedule';

export interface Guidance {
  cfgType: CfgType;
  /** γ; guidance rests at 1 and below. */
  guidanceScale: number;
  /** δ, magnitude of the virtual residual noise. */
  delta: number;
}

/** Whether this step of a frame needs a second UNet row, under the negative prompt. */
export function needsNegativePass({ cfgType, guidanceScale }: Guidance, stepIndex: number): boolean {
  if (guidanceScale <= 1) return false;
  return cfgType === 'full' || (cfgType === 'initialize' && stepIndex === 0);
}

/** Whether the frame carries a virtual residual noise from step to step. */
export function usesResidualNoise({ cfgType, guidanceScale }: Guidance): boolean {
  return guidanceScale > 1 && (cfgType === 'self' || cfgType === 'initialize');
}

/** The clean latent that a prediction stands for: x0 = (x - √(1-ᾱ) ε) / √ᾱ, or √ᾱ x - √(1-ᾱ) v, or the prediction itself. */
export function predictClean(prediction: Float32Array, x: Float32Array, step: Step, type: PredictionType): Float64Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = step;
  const clean = new Float64Array(x.length);
  for (let k = 0; k < x.length; k++) {
    const p = prediction[k];
    clean[k] = type === 'epsilon' ? (x[k] - b * p) / a : type === 'v_prediction' ? a * x[k] - b * p : p;
  }
  return clean;
}

/** The noise that separates x from a clean latent: ε = (x - √ᾱ x0) / √(1-ᾱ). */
export function residualNoise(x: Float32Array, clean: Float64Array, step: Step): Float32Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = step;
  return x.map((value, k) => (value - a * clean[k]) / b);
}

/**
 * Guidance in the space of clean latents, where it is the same linear combination as in the space of noises:
 * x0 = x0⁻ + γ (x0⁺ - x0⁻).
 */
export function guide(positive: Float64Array, negative: Float64Array, guidanceScale: number): Float64Array {
  return positive.map((value, k) => negative[k] + guidanceScale * (value - negative[k]));
}

/**
 * The negative clean latent that a virtual residual noise stands for: (x - √(1-ᾱ) δ ε') / √ᾱ.
 *
 * At zero terminal SNR (√ᾱ = 0) x says nothing of a clean latent and guidance rests: the positive one comes back.
 */
export function virtualNegative(x: Float32Array, residual: Float32Array, delta: number, step: Step, positive: Float64Array): Float64Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = step;
  if (a === 0) return positive;
  return positive.map((_, k) => (x[k] - b * delta * residual[k]) / a);
}

/** The boundary condition of a consistency model: x̂0 = c_out F_θ + c_skip x. */
export function applyBoundary(clean: Float64Array, x: Float32Array, { cSkip, cOut }: Step): Float32Array {
  return x.map((value, k) => cOut * clean[k] + cSkip * value);
}

/**
 * The next x_τ' of TCD: from the clean latent and the noise in x by the intermediate level s, and from there with fresh
 * noise: √(ᾱ'/ᾱ_s) (√ᾱ_s x0 + √(1-ᾱ_s) ε) + √(1 - ᾱ'/ᾱ_s) z (arXiv 2402.19159, Algorithm 4).
 *
 * @param clean x0, as guided
 * @param noise z; its share is 0 where s is the next step itself
 */
export function trajectoryStep(
  clean: Float64Array,
  x: Float32Array,
  noise: Float32Array,
  step: Step,
  s: NoiseLevel,
  next: Step,
): Float32Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = step;
  const kept = next.alphaProdTSqrt / s.alphaProdTSqrt;
  const fresh = Math.sqrt(Math.max(0, 1 - kept * kept));
  return x.map((value, k) => kept * (s.alphaProdTSqrt * clean[k] + (s.betaProdTSqrt * (value - a * clean[k])) / b) + fresh * noise[k]);
}

/** The virtual residual noise of that x_τ': what separates it from the clean latent that the residual noise of this step stands for. */
export function trajectoryResidual(
  clean: Float64Array,
  x: Float32Array,
  residual: Float32Array,
  step: Step,
  nextX: Float32Array,
  next: Step,
): Float32Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = step;
  // At zero terminal SNR nothing is known of that clean latent; the predicted one takes its place.
  return residualNoise(nextX, a === 0 ? clean : Float64Array.from(x, (value, k) => (value - b * residual[k]) / a), next);
}

/**
 * √ᾱ' / √(1-ᾱ') · (x̂0 - x0'): how much the virtual residual noise of the next step differs from the noise added there,
 * where x0' is the clean latent that the residual noise of this step stands for (paper, Eq. 6 and 7).
 */
export function residualShift(clean: Float64Array, x: Float32Array, residual: Float32Array, step: Step, next: Step): Float32Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b, cSkip, cOut } = step;
  if (a === 0) return new Float32Array(x.length);
  const gain = next.alphaProdTSqrt / next.betaProdTSqrt;
  return x.map((value, k) => {
    const virtualClean = (value - b * residual[k]) / a;
    return gain * (cOut * (clean[k] - virtualClean) + cSkip * b * residual[k]);
  });
}
