import { combine, dot, norm } from '../util/vectors';

/** Blends embeddings by their directions, since straight lines between them pass through shorter, vaguer ones. */

/** Lengths and angles (radians) below this count as zero. */
const TINY = 1e-7;
/** The most iterations of the spherical mean; a handful is enough for embeddings, which lie close together. */
const MOST_ITERATIONS = 24;

/**
 * The weighted mean of embeddings on the sphere, token by token: the direction is the mean of the directions, the length
 * the mean of the lengths. For two embeddings this is slerp.
 *
 * @param values [tokens, width] each, row-major
 * @param shares one for each, with a sum of 1
 * @returns [tokens, width]
 */
export function sphericalMean(values: readonly Float32Array[], shares: readonly number[], width: number): Float32Array {
  const mean = new Float32Array(values[0].length);
  const present = values.filter((_, k) => shares[k] !== 0);
  const theirShares = shares.filter((share) => share !== 0);
  for (let start = 0; start < mean.length; start += width) {
    const rows = present.map((each) => each.subarray(start, start + width));
    mean.set(meanOfRows(rows, theirShares), start);
  }
  return mean;
}

/** Falls back to the straight mean where an embedding has no direction, or the directions have no mean. */
function meanOfRows(rows: readonly Float32Array[], shares: readonly number[]): Float64Array {
  const lengths = rows.map(norm);
  const straight = combine(rows, shares);
  if (lengths.some((length) => length < TINY)) return straight;
  const directions = rows.map((row, k) => Float64Array.from(row, (value) => value / lengths[k]));
  const direction = directions.length === 2 ? slerp(directions, shares[1]) : meanDirection(directions, shares);
  const length = lengths.reduce((sum, each, k) => sum + shares[k] * each, 0);
  return direction?.map((value) => value * length) ?? straight;
}

/** (sin((1-t)θ)·a + sin(tθ)·b) / sin θ for unit vectors; undefined where they point the same way or opposite ways. */
function slerp([a, b]: Float64Array[], t: number): Float64Array | undefined {
  const angle = Math.acos(Math.max(-1, Math.min(1, dot(a, b))));
  const sine = Math.sin(angle);
  if (sine < TINY) return undefined;
  return combine([a, b], [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine]);
}

/**
 * The point of the unit sphere with the smallest Σ wᵢ·θᵢ², where θᵢ is the angle to direction i (Buss and Fillmore,
 * "Spherical averages and applications to spherical splines and interpolation", 2001, algorithm A1). Unlike a chain of
 * slerps, it does not depend on the order of the directions and moves smoothly with all weights.
 */
function meanDirection(directions: readonly Float64Array[], shares: readonly number[]): Float64Array | undefined {
  const start = combine(directions, shares);
  const length = norm(start);
  if (length < TINY) return undefined;
  let mean: Float64Array = start.map((value) => value / length);
  for (let k = 0; k < MOST_ITERATIONS; k++) {
    // The mean is taken in the plane that touches the sphere here, which keeps angles and directions from this point.
    const cosines = directions.map((direction) => Math.max(-1, Math.min(1, dot(mean, direction))));
    const stretches = cosines.map((cosine, i) => shares[i] * stretch(Math.acos(cosine)));
    const step = combine([...directions, mean], [...stretches, -stretches.reduce((sum, each, i) => sum + each * cosines[i], 0)]);
    const angle = norm(step);
    if (angle < TINY) break;
    const turn = Math.min(angle, Math.PI);
    mean = combine([mean, step], [Math.cos(turn), Math.sin(turn) / angle]);
  }
  return mean;
}

/** θ / sin θ; 1 at θ = 0, and at π, where no way is the shortest. */
function stretch(angle: number): number {
  const sine = Math.sin(angle);
  return sine < TINY ? 1 : angle / sine;
}
