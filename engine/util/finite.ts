import { EngineError } from '../errors';

/**
 * Throws EBADMODEL when values are not numbers: a half-precision net that overflowed, a card that computes wrongly. Such a
 * frame is not a picture and must not be shown.
 *
 * @param values what a net gave
 * @param net its name, for people
 * @param stride every how many values are looked at; what overflows in a net spreads over its whole output
 */
export function checkFinite(values: Float32Array, net: string, stride = 1): void {
  for (let i = 0; i < values.length; i += stride) {
    if (Number.isFinite(values[i])) continue;
    throw new EngineError(
      'EBADMODEL',
      `${net} gave ${values[i]} instead of numbers; a float16 model may overflow: take its float32 export, or another execution provider`,
    );
  }
}
