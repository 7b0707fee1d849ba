import assert from 'node:assert/strict';
import { randn } from '../../../engine/diffusion/noise';
import { type ResolvedOptions, resolveOptions } from '../../../engine/diffusion/options';
import { blendNoise, Seeds, turnNoise } from '../../../engine/diffusion/seeds';
import type { StreamOptions } from '../../../engine/types';

const SHAPE = { height: 32, width: 32 };
const VALUES = 4 * 32 * 32;

const optionsOf = (options: Partial<StreamOptions>): ResolvedOptions =>
  resolveOptions({ mode: 'img2img', width: 256, height: 256, tIndexList: [20, 40], ...options }, 8);

/** Mean and standard deviation. */
function moments(values: Float32Array): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
}

/** The angle between two noises, degrees. */
function angle(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * y[k], 0);
  return (Math.acos(Math.min(1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))) * 180) / Math.PI;
}

function assertUnit(noise: Float32Array, what: string): void {
  const [mean, deviation] = moments(noise);
  // Four standard errors for 4096 values.
  assert.ok(
    Math.abs(mean) < 4 / Math.sqrt(VALUES) && Math.abs(deviation - 1) < 4 / Math.sqrt(2 * VALUES),
    `${what}: mean ${mean}, deviation ${deviation}`,
  );
}

describe('seeds', () => {
  it('one seed: frame j of a buffer uses row i·F + j of its draw at step i', () => {
    const options = optionsOf({ seed: 7, frameBufferSize: 3 });
    const all = randn([6, 4, 32, 32], 7);
    for (const slot of [0, 1, 2]) {
      const { rows, freshSeed } = new Seeds(4).next(options, SHAPE, slot);
      assert.equal(freshSeed, undefined);
      for (const step of [0, 1]) assert.deepEqual(rows[step], all.slice((step * 3 + slot) * VALUES, (step * 3 + slot + 1) * VALUES));
    }
  });

  it('blend: Σ wᵢ zᵢ / √Σ wᵢ², of unit variance for every list of weights', () => {
    const [a, b, c] = [1, 2, 3].map((seed) => randn([4, 32, 32], seed));
    const blended = blendNoise([
      { noise: a, weight: 3 },
      { noise: b, weight: 4 },
    ]);
    blended.forEach((value, k) => assert.ok(Math.abs(value - (0.6 * a[k] + 0.8 * b[k])) < 1e-5));
    for (const weights of [
      [1, 1, 1],
      [0.2, 0.3, 0.5],
      [1, 0, 0],
      [0, 0, 0],
      [1e200, 1e200, 1],
      [1e-200, 1e-200, 0],
      [5, 0.001, 3],
    ]) {
      const noise = blendNoise([a, b, c].map((one, i) => ({ noise: one, weight: weights[i] })));
      assertUnit(noise, weights.join());
    }
    const equal = blendNoise([a, b, c].map((noise) => ({ noise, weight: 0 })));
    assert.deepEqual(equal, blendNoise([a, b, c].map((noise) => ({ noise, weight: 1 }))));
  });

  it('a list takes the place of the seed, one alone gives its own noise, and the same list the same noise', () => {
    const next = (options: Partial<StreamOptions>) => new Seeds(4).next(optionsOf(options), SHAPE, 0).rows;
    assert.deepEqual(next({ seed: 1, seeds: [{ seed: 9, weight: 0.3 }] }), next({ seed: 9 }));
    const list = [
      { seed: 9, weight: 0.3 },
      { seed: 4, weight: 1 },
    ];
    assert.deepEqual(next({ seeds: list }), next({ seed: 8, seeds: list }));
    assert.notDeepEqual(next({ seeds: list }), next({ seeds: [list[0], { seed: 4, weight: 0.9 }] }));
  });

  it('drift: starts at the seed, turns by the same angle with every frame, keeps its variance, never comes back', () => {
    for (const seeds of [
      [],
      [
        { seed: 3, weight: 1 },
        { seed: 5, weight: 2 },
      ],
    ]) {
      const options = optionsOf({ seeds, seedDrift: 5 });
      const source = new Seeds(4);
      const frames = Array.from({ length: 100 }, () => source.next(options, SHAPE, 0).rows);
      assert.deepEqual(frames[0], new Seeds(4).next(optionsOf({ seeds }), SHAPE, 0).rows);
      for (const step of [0, 1]) {
        for (let k = 0; k < frames.length; k++) {
          assertUnit(frames[k][step], `frame ${k}`);
          if (k > 0)
            assert.ok(
              Math.abs(angle(frames[k - 1][step], frames[k][step]) - 5) < 0.4,
              `frame ${k}: ${angle(frames[k - 1][step], frames[k][step])} degrees`,
            );
          if (k >= 18)
            assert.ok(Math.abs(angle(frames[k - 18][step], frames[k][step]) - 90) < 40, `frame ${k} is like the one a right angle before`);
        }
      }
      assert.ok(Math.abs(angle(frames[0][0], frames[99][0]) - 90) < 5);
    }
  });

  it('drift: the same on every run; 0 holds it where it is; a restart and other seeds begin anew', () => {
    const [source, other] = [new Seeds(4), new Seeds(4)];
    const moving = optionsOf({ seedDrift: 12 });
    for (let k = 0; k < 30; k++) assert.deepEqual(source.next(moving, SHAPE, 0), other.next(moving, SHAPE, 0));
    const held = source.next(optionsOf({ seedDrift: 0 }), SHAPE, 0);
    assert.deepEqual(source.next(optionsOf({ seedDrift: 0 }), SHAPE, 0), held);
    assert.deepEqual(held, other.next(moving, SHAPE, 0));
    source.restart();
    assert.deepEqual(source.next(moving, SHAPE, 0).rows[0], randn([2, 4, 32, 32], 2).slice(0, VALUES));
    source.next(moving, SHAPE, 0);
    assert.deepEqual(source.next(optionsOf({ seed: 6, seedDrift: 12 }), SHAPE, 0).rows[0], randn([2, 4, 32, 32], 6).slice(0, VALUES));
  });

  it('a quarter turn leads to the other noise', () => {
    const [a, b] = [1, 2].map((seed) => randn([4, 32, 32], seed));
    assert.deepEqual(turnNoise(a, b, 0), a);
    turnNoise(a, b, 90).forEach((value, k) => assert.ok(Math.abs(value - b[k]) < 1e-6));
  });

  it('-1 draws another seed for every frame and says which', () => {
    const source = new Seeds(4);
    const options = optionsOf({ seed: -1 });
    const frames = Array.from({ length: 20 }, () => source.next(options, SHAPE, 0));
    assert.equal(new Set(frames.map(({ freshSeed }) => freshSeed)).size, 20);
    for (const { rows, freshSeed } of frames) assert.deepEqual(rows, new Seeds(4).next(optionsOf({ seed: freshSeed }), SHAPE, 0).rows);
  });
});
