import { EngineError } from '../errors';

/**
 * Throws EBADMODEL when values are NaN or infinite: a half-precision net has overflowed, or a card computes wrongly. Such a frame
 * must not be shown.
 *
 * @param values a net's output
 * @param net its name, for the message
 * @param stride only every `stride`th value is checked: NaN in a net spreads over its whole output
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
