import { rms } from '../util/vectors';

/**
 * The last clean latent mixed into the next: (1 - s)·z + s·g·x̂0, with g = min(1, rms(z) / rms(x̂0)).
 *
 * g is the bound: the mixture is never stronger than the incoming latent, so the loop cannot run away, however much the
 * model amplifies its input.
 *
 * @param latent z, [C, h, w]
 * @param last x̂0 of the last finished frame, of the same length
 * @param amount s, 0..1
 */
export function mixLatent(latent: Float32Array, last: Float32Array, amount: number): Float32Array {
  const strength = rms(last);
  // A latent of zeros or with NaN has nothing to contribute.
  if (!(strength > 0 && strength < Infinity)) return latent;
  const gain = Math.min(1, rms(latent) / strength);
  return latent.map((value, k) => (1 - amount) * value + amount * gain * last[k]);
}
