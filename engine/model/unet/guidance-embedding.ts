/**
 * The embedding of the guidance w that a distilled model takes as an input (`timestep_cond`) instead of a second pass: sines,
 * then cosines, of 1000·w at falling frequencies (arXiv 2310.04378, §4.2; the same as for a timestep in arXiv 1706.03762).
 *
 * @param w guidance scale − 1; 0 is no guidance
 * @returns [size]
 */
export function guidanceEmbedding(w: number, size: number): Float32Array {
  const half = Math.floor(size / 2);
  const embedding = new Float32Array(size);
  for (let i = 0; i < half; i++) {
    const angle = 1000 * w * Math.exp((-Math.log(10000) * i) / (half - 1));
    embedding[i] = Math.sin(angle);
    embedding[half + i] = Math.cos(angle);
  }
  return embedding;
}
