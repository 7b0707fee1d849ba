import { EngineError } from '../errors';

/** How many fields a picture is divided into along each side. */
const FIELDS = 32;
/** With pure noise, the largest change of 32 × 32 fields is about three times the median one. */
const ABOVE_NOISE = 4;
/** A change of the whole picture beyond this is not noise but a real change: a light that is switched on, a fade. */
const MOST_NOISE = 5e-4;

/**
 * How much the most changed part of a picture changed: the largest mean squared difference of its 32 × 32 fields.
 * Noise is everywhere, so the median field tells how much of it there is, and that is subtracted.
 *
 * @param a pixels in -1..1, rows of interleaved RGB, side × side × 3
 * @param b another picture of the same size
 * @returns 0 for equal pictures and for those that differ only by noise; at most 4
 * @throws EBADPARAM when the picture is not a square of RGB
 */
export function localChange(a: Float32Array, b: Float32Array): number {
  const side = Math.sqrt(a.length / 3);
  if (!Number.isInteger(side) || a.length !== b.length) {
    throw new EngineError(
      'EBADPARAM',
      `the measure "local" compares square pictures of interleaved RGB; got ${a.length} and ${b.length} values`,
    );
  }
  const changes = fieldChanges(a, b, side).sort();
  const noise = Math.min(changes[changes.length >> 1], MOST_NOISE);
  return Math.max(0, changes[changes.length - 1] - ABOVE_NOISE * noise);
}

/** The mean squared difference of each field. */
function fieldChanges(a: Float32Array, b: Float32Array, side: number): Float32Array {
  const fields = Math.min(FIELDS, side);
  const sums = new Float32Array(fields * fields);
  const counts = new Float32Array(fields * fields);
  for (let y = 0, at = 0; y < side; y++) {
    const row = Math.floor((y * fields) / side) * fields;
    for (let x = 0; x < side; x++) {
      const field = row + Math.floor((x * fields) / side);
      for (const end = at + 3; at < end; at++) sums[field] += (a[at] - b[at]) ** 2;
      counts[field] += 3;
    }
  }
  return sums.map((sum, field) => sum / counts[field]);
}
