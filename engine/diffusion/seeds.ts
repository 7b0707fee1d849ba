import { LruCache } from '../util/lru-cache';
import type { WeightedSeed } from '../types';
import { randn } from './noise';
import type { ResolvedOptions } from './options';
import type { LatentShape } from './latent';

/** How many draws are kept: enough for a list of seeds, twice while it drifts, and a few more that alternate. */
const DRAWS_KEPT = 20;
const RIGHT_ANGLE = 90;

/** What the noise of one frame is made of. */
export interface FrameNoise {
  /** One [C, h, w] for every step. */
  rows: Float32Array[];
  /** The seed that was drawn for this frame alone, where the option is -1. */
  freshSeed?: number;
}

/**
 * The noise of a stream's frames, one after another.
 *
 * For each seed `randn([n·F, C, h, w])` is drawn step by step, and frame j of a buffer uses row i·F + j at step i.
 */
export class Seeds {
  private readonly draws = new LruCache<Float32Array>(DRAWS_KEPT);
  /** How far the noise has drifted from that of these seeds, degrees. */
  private angle = 0;
  private drifting = '';

  /** @param channels C of the latents */
  constructor(private readonly channels: number) {}

  /** @param slot j, the frame's place in its buffer */
  next(options: ResolvedOptions, shape: LatentShape, slot: number): FrameNoise {
    const n = options.tIndexList.length;
    const dims = [n * options.frameBufferSize, this.channels, shape.height, shape.width];
    const row = (all: Float32Array, step: number): Float32Array => {
      const size = all.length / dims[0];
      const at = (step * options.frameBufferSize + slot) * size;
      return all.subarray(at, at + size);
    };
    if (options.seeds.length === 0 && options.seed === -1) {
      const freshSeed = Math.floor(Math.random() * 2 ** 32);
      const all = randn(dims, freshSeed);
      return { rows: Array.from({ length: n }, (_, step) => row(all, step)), freshSeed };
    }
    const seeds = options.seeds.length > 0 ? options.seeds : [{ seed: options.seed, weight: 1 }];
    const { from, degrees } = this.drift(seeds, options.seedDrift);
    const noise = (anchor: number, step: number): Float32Array =>
      blendNoise(seeds.map(({ seed, weight }) => ({ noise: row(this.draw(dims, seedAt(seed, anchor)), step), weight })));
    return {
      rows: Array.from({ length: n }, (_, step) =>
        degrees === 0 ? noise(from, step) : turnNoise(noise(from, step), noise(from + 1, step), degrees),
      ),
    };
  }

  /** Takes a drift back to its seeds. */
  restart(): void {
    this.angle = 0;
  }

  /** Where this frame is on the way through the anchors; the next one is a little further. Other seeds start again. */
  private drift(seeds: readonly WeightedSeed[], seedDrift: number): { from: number; degrees: number } {
    const drifting = seeds.map(({ seed }) => seed).join();
    if (drifting !== this.drifting) this.restart();
    this.drifting = drifting;
    const { angle } = this;
    this.angle += seedDrift;
    return { from: Math.floor(angle / RIGHT_ANGLE), degrees: angle % RIGHT_ANGLE };
  }

  private draw(dims: number[], seed: number): Float32Array {
    return this.draws.getOrMake([seed, ...dims].join(), () => randn(dims, seed));
  }
}

/** The seed of the k-th noise on a drift: the seed itself for the 0th, and for others one far from its neighbours'. */
function seedAt(seed: number, k: number): number {
  return k === 0 ? seed : ((seed % 2 ** 32) + (Math.imul(k, 0x9e3779b1) >>> 0)) % 2 ** 32;
}

/**
 * Σ wᵢ zᵢ / √Σ wᵢ²: independent standard normal noises give a standard normal one again, whatever the weights are.
 * A mean would have less variance and make the pictures grey. Weights that are all zero count as equal.
 */
export function blendNoise(parts: readonly { noise: Float32Array; weight: number }[]): Float32Array {
  const [{ noise: first }] = parts;
  if (parts.length === 1) return first;
  // Dividing by the largest first: squares of huge weights overflow and those of tiny ones vanish.
  const largest = Math.max(...parts.map(({ weight }) => weight));
  const weights = parts.map(({ weight }) => (largest > 0 ? weight / largest : 1));
  const norm = Math.hypot(...weights);
  return first.map((_, k) => parts.reduce((sum, { noise }, i) => sum + weights[i] * noise[k], 0) / norm);
}

/**
 * cos φ · a + sin φ · b: a point on the great circle from one noise to another, where the variance stays the same.
 * Independent noises of many values are at right angles, so 90 degrees lead all the way from `a` to `b`.
 */
export function turnNoise(a: Float32Array, b: Float32Array, degrees: number): Float32Array {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return a.map((value, k) => cos * value + sin * b[k]);
}
