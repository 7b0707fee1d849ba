/**
 * Everything that a denoising step computes is linear in a few latents: x_τ, the UNet's predictions under the positive and
 * the negative prompt, the virtual residual noise ε', and the noise that is added for the next step. So the factors of a
 * step are worked out first, formula by formula, and then applied in one pass over a latent's values.
 */
export interface LinearForm {
  /** Factor of x_τ. */
  x: number;
  positive: number;
  negative: number;
  /** Factor of ε'. */
  residual: number;
}

const ZERO: LinearForm = { x: 0, positive: 0, negative: 0, residual: 0 };
export const X: LinearForm = { ...ZERO, x: 1 };
export const POSITIVE: LinearForm = { ...ZERO, positive: 1 };
export const NEGATIVE: LinearForm = { ...ZERO, negative: 1 };
export const RESIDUAL: LinearForm = { ...ZERO, residual: 1 };

/** Σ factor · form */
export function sum(...terms: readonly (readonly [factor: number, form: LinearForm])[]): LinearForm {
  const result = { ...ZERO };
  for (const [factor, form] of terms) {
    result.x += factor * form.x;
    result.positive += factor * form.positive;
    result.negative += factor * form.negative;
    result.residual += factor * form.residual;
  }
  return result;
}

/** A scaled form with added noise: scale · form + noise · z. */
export interface NoisedForm {
  form: LinearForm;
  scale: number;
  noise: number;
}

/** The latents that the forms of one step combine, [C, h, w] each. */
export interface StepLatents {
  x: Float32Array;
  positive: Float32Array;
  /** Where there is one, no form of the step uses the residual noise as well. */
  negative?: Float32Array;
  residual: Float32Array;
  /** z; undefined where none is added. */
  noise?: Float32Array;
}

/**
 * The values of one or two forms in one pass. Each sum and product with noise is rounded to float32 as if it were a latent
 * of its own, so the result is the same to the bit however a step is split into passes.
 *
 * @param target may be one of the latents, since they are read before it is written
 */
export function evaluate(
  latents: StepLatents,
  of: NoisedForm,
  target: Float32Array,
  second?: [of: NoisedForm, target: Float32Array],
): void {
  const { x, positive, negative, residual, noise = x } = latents;
  const other = negative ?? residual;
  const otherOf = ({ form }: NoisedForm): number => (negative ? form.negative : form.residual);
  const { scale, noise: amount } = of;
  const { x: fx, positive: fp } = of.form;
  const fo = otherOf(of);
  if (!second) {
    for (let k = 0; k < target.length; k++) {
      const value = Math.fround(fx * x[k] + fp * positive[k] + fo * other[k]);
      target[k] = Math.fround(scale * value) + amount * noise[k];
    }
    return;
  }
  const [{ scale: secondScale, noise: secondAmount }, secondTarget] = second;
  const { x: gx, positive: gp } = second[0].form;
  const go = otherOf(second[0]);
  for (let k = 0; k < target.length; k++) {
    const vx = x[k];
    const vp = positive[k];
    const vo = other[k];
    const z = noise[k];
    target[k] = Math.fround(scale * Math.fround(fx * vx + fp * vp + fo * vo)) + amount * z;
    secondTarget[k] = Math.fround(secondScale * Math.fround(gx * vx + gp * vp + go * vo)) + secondAmount * z;
  }
}
