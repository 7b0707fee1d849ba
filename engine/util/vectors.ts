/** Vectors of numbers, such as latents, pixels and embeddings. Sums are in double precision. */
export type Vector = Float32Array | Float64Array;

/** Σ aᵢ bᵢ */
export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** √(Σ aᵢ²) */
export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a));
}

/** The root of the mean square. */
export function rms(a: Vector): number {
  return Math.sqrt(dot(a, a) / a.length);
}

export function mean(a: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i];
  return sum / a.length;
}

/** Σ (aᵢ - bᵢ)² */
export function squaredDifference(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}

/** cos of the angle between two vectors; 0 where either has no direction. */
export function cosine(a: Vector, b: Vector): number {
  const [lengthA, lengthB] = [dot(a, a), dot(b, b)];
  return lengthA > 0 && lengthB > 0 ? dot(a, b) / Math.sqrt(lengthA * lengthB) : 0;
}

/** Σ factorₖ · vectorₖ */
export function combine(vectors: readonly Vector[], factors: readonly number[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  vectors.forEach((vector, k) => {
    const factor = factors[k];
    if (factor !== 0) for (let i = 0; i < sum.length; i++) sum[i] += factor * vector[i];
  });
  return sum;
}
