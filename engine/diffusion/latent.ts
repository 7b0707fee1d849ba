import type { Step } from './schedule';

/** Size of a latent in positions: the picture's sides divided by the model's vaeScaleFactor. */
export interface LatentShape {
  height: number;
  width: number;
}

/**
 * Forward diffusion: x_τ = √ᾱ x0 + √(1-ᾱ) ε, rounded as a denoising step rounds it.
 *
 * @param clean x0, [C, h, w]
 * @param noise ε, [C, h, w]
 */
export function addNoise(clean: Float32Array, noise: Float32Array, { alphaProdTSqrt: a, betaProdTSqrt: b }: Step): Float32Array {
  const noised = new Float32Array(clean.length);
  for (let k = 0; k < noised.length; k++) noised[k] = Math.fround(a * clean[k]) + b * noise[k];
  return noised;
}

/** (1 - part)·a + part·b */
export function mix(a: Float32Array, b: Float32Array, part: number): Float32Array {
  const mixed = new Float32Array(a.length);
  for (let k = 0; k < mixed.length; k++) mixed[k] = a[k] + part * (b[k] - a[k]);
  return mixed;
}

/** Buffers for latents that are reused, instead of new ones for every step of every frame. */
export class LatentPool {
  private free: Float32Array[] = [];

  /** @param most how many are kept for reuse */
  constructor(private readonly most: number) {}

  /** A latent of this length; its values are arbitrary. */
  take(length: number): Float32Array {
    // Latents of another length belong to a picture size that is no longer used.
    if (this.free.at(-1)?.length !== length) this.free = [];
    return this.free.pop() ?? new Float32Array(length);
  }

  /** Returns a latent to the pool. No one else may still hold it. */
  give(latent: Float32Array): void {
    if (this.free.length < this.most) this.free.push(latent);
  }
}
