import type { Step } from './schedule';

/** The part of a frame that is not denoised, where the incoming picture stays. */
export interface Kept {
  /** The clean latent of the incoming picture, [C, h, w]. */
  clean: Float32Array;
  /** How much of each position is denoised, 0..1, [h, w]. */
  painted: Float32Array;
}

/**
 * Restores the incoming latent where the frame is not denoised, in place: m·x + (1 - m)·x', where x' is the incoming latent at the same level of
 * noise, so that the denoised part fits it. As in RePaint (arXiv 2201.09865), eq. 8.
 *
 * @param latent x_τ at the step, or x̂0 without a step, [C, h, w]
 * @param noise ε of that step, [C, h, w]; none if left out
 */
export function keepUnpainted(latent: Float32Array, { clean, painted }: Kept, step?: Step, noise?: Float32Array): void {
  const signal = step ? step.alphaProdTSqrt : 1;
  const spread = step && noise ? step.betaProdTSqrt : 0;
  for (let k = 0, position = 0; k < latent.length; k++, position = position + 1 === painted.length ? 0 : position + 1) {
    const share = painted[position];
    if (share === 1) continue;
    const kept = signal * clean[k] + (spread === 0 || !noise ? 0 : spread * noise[k]);
    latent[k] = share === 0 ? kept : share * latent[k] + (1 - share) * kept;
  }
}
