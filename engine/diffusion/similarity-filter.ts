import { EngineError } from '../errors';
import { quote } from '../util/quote';
import { mean, squaredDifference } from '../util/vectors';
import { localChange } from './local-change';
import { TorchGenerator } from './noise';

/**
 * How alike two pictures are, 1 for equal ones:
 * - `cosine`: cosine of the pixel vectors in -1..1, the paper's measure. It is blind to changes of contrast and dominated by
 *   the mean brightness of the picture.
 * - `centred-cosine`: the same after each picture's mean is subtracted (Pearson correlation).
 * - `mse`: 1 - mean squared difference of the pixels in -1..1.
 * - `local`: 1 - mean squared difference of the part of the picture that changed most, see {@link localChange}. The others
 *   are means over the whole picture, in which a small moving thing is lost.
 */
export type SimilarityMeasure = 'cosine' | 'centred-cosine' | 'mse' | 'local';

export const SIMILARITY_MEASURES: readonly SimilarityMeasure[] = ['cosine', 'centred-cosine', 'mse', 'local'];

/** A picture, or a thumbnail of one. */
type Pixels = Float32Array | Uint8Array;
type Thumbnails = Readonly<Record<string, Float32Array>>;

/** Side of the thumbnails that suit a measure, pixels: the smallest thing that counts must not fall below one of them. */
export const thumbnailSizeFor = (measure: SimilarityMeasure = 'cosine'): number => (measure === 'local' ? 64 : 32);

export interface SimilarityFilterOptions {
  /** η, 0..1: the similarity above which frames may be skipped. 1 lets every frame pass. Default 0.98. */
  threshold?: number;
  /** After this many skipped frames in a row, the next one passes. Default 10. */
  maxSkipFrame?: number;
  /** Default `'cosine'`. */
  measure?: SimilarityMeasure;
  /** Seed of the draws. Default 2. */
  seed?: number;
  /** Draws on [0, 1) instead of the seeded ones. */
  random?: () => number;
}

/**
 * Stochastic similarity filter (arXiv 2312.12491, §3.4): a frame that resembles the last one that passed is skipped with
 * probability 1 - (1 - S) / (1 - η), so that a still scene costs little without ever freezing.
 *
 * Unlike the reference it skips at most `maxSkipFrame` frames in a row, and every frame that passes restarts the count.
 */
export class SimilarityFilter {
  private readonly threshold: number;
  private readonly maxSkipFrame: number;
  private readonly measure: SimilarityMeasure;
  private readonly random: () => number;
  private previous: Thumbnails | undefined;
  private skipped = 0;

  /** @throws EBADPARAM */
  constructor({ threshold = 0.98, maxSkipFrame = 10, measure = 'cosine', seed = 2, random }: SimilarityFilterOptions = {}) {
    if (!(threshold >= 0 && threshold <= 1))
      throw new EngineError('EBADPARAM', `threshold must be a number from 0 to 1; got ${quote(threshold)}`);
    if (!Number.isInteger(maxSkipFrame) || maxSkipFrame < 0) {
      throw new EngineError('EBADPARAM', `maxSkipFrame must be a whole number from 0; got ${quote(maxSkipFrame)}`);
    }
    if (!SIMILARITY_MEASURES.includes(measure)) {
      throw new EngineError('EBADPARAM', `measure must be one of ${SIMILARITY_MEASURES.join(', ')}; got ${quote(measure)}`);
    }
    const generator = new TorchGenerator(seed);
    this.threshold = threshold;
    this.maxSkipFrame = maxSkipFrame;
    this.measure = measure;
    this.random = random ?? (() => generator.uniform());
  }

  /**
   * Whether this frame passes. One random number is drawn for every frame but the first.
   *
   * @param frame the picture, or a thumbnail of it: floats in -1..1, or bytes, which are mapped to that range. For the measure
   *   `local` a square one, rows of interleaved RGB. A frame with several pictures gives them by name: the one that differs most counts.
   * @throws EBADPARAM when the measure is `local` and a picture is not a square of RGB
   */
  accepts(frame: Pixels | Readonly<Record<string, Pixels>>): boolean {
    const current = thumbnails(frame);
    if (!this.previous || !areComparable(this.previous, current)) return this.pass(current);

    const { previous } = this;
    const similarity = Math.min(...Object.keys(current).map((name) => similarityOf(previous[name], current[name], this.measure)));
    const skipProbability = this.threshold === 1 ? 0 : Math.max(0, 1 - (1 - similarity) / (1 - this.threshold));
    const skips = this.random() < skipProbability && this.skipped < this.maxSkipFrame;
    if (!skips) return this.pass(current);
    this.skipped++;
    return false;
  }

  /** Forgets the last frame: the next one passes. */
  reset(): void {
    this.previous = undefined;
    this.skipped = 0;
  }

  private pass(frame: Thumbnails): true {
    this.previous = frame;
    this.skipped = 0;
    return true;
  }
}

function thumbnails(frame: Pixels | Readonly<Record<string, Pixels>>): Thumbnails {
  const pictures = frame instanceof Float32Array || frame instanceof Uint8Array ? { image: frame } : frame;
  const values = (pixels: Pixels): Float32Array =>
    pixels instanceof Float32Array ? pixels.slice() : Float32Array.from(pixels, (byte) => byte / 127.5 - 1);
  return Object.fromEntries(Object.entries(pictures).map(([name, pixels]) => [name, values(pixels)]));
}

/** Whether both frames have the same pictures, of the same sizes. */
function areComparable(a: Thumbnails, b: Thumbnails): boolean {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name]?.length === b[name].length);
}

/** @returns 1 for equal pictures, less for others */
export function similarityOf(a: Float32Array, b: Float32Array, measure: SimilarityMeasure): number {
  if (measure === 'local') return 1 - localChange(a, b);
  if (measure === 'mse') return 1 - squaredDifference(a, b) / a.length;
  const meanA = measure === 'centred-cosine' ? mean(a) : 0;
  const meanB = measure === 'centred-cosine' ? mean(b) : 0;
  let dot = 0;
  let normA = 0;
  let normB = 0;
  for (let k = 0; k < a.length; k++) {
    const x = a[k] - meanA;
    const y = b[k] - meanB;
    dot += x * y;
    normA += x * x;
    normB += y * y;
  }
  // A uniform picture has no direction, so it resembles only another one of the same brightness.
  if (normA < 1e-9 || normB < 1e-9) return normA < 1e-9 && normB < 1e-9 && Math.abs(meanA - meanB) < 1e-3 ? 1 : 0;
  return dot / Math.sqrt(normA * normB);
}
