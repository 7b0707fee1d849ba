import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SimilarityFilter, type SimilarityMeasure } from '../../../engine';
import { REFERENCE } from '../../lib/reference';

interface Run {
  threshold: number;
  max_skip_frame: number;
  draws: number[];
  accepted: boolean[];
  frames: number[][];
}

const { similarity_filter: runs } = JSON.parse(readFileSync(join(REFERENCE, 'random-and-filter.json'), 'utf8')) as {
  similarity_filter: Run[];
};
const still = new Float32Array(48).fill(0.3);
const noisy = (seed: number) => Float32Array.from({ length: 48 }, (_, k) => Math.sin(seed * 91.7 + k * 3.1));

/** Which of `count` equal frames pass; `random` 0.5 makes a still scene always skippable. */
function passes(filter: SimilarityFilter, count: number, frame = still): boolean[] {
  return Array.from({ length: count }, () => filter.accepts(frame));
}

describe('similarity filter', () => {
  for (const [index, run] of runs.entries()) {
    it(`decides as the reference does until its counter goes wrong, run ${index + 1} (threshold ${run.threshold})`, () => {
      const draws = run.draws[Symbol.iterator]();
      const filter = new SimilarityFilter({
        threshold: run.threshold,
        maxSkipFrame: run.max_skip_frame,
        random: () => draws.next().value as number,
      });
      // The reference skips maxSkipFrame + 1 frames and keeps its count when a frame passes by chance: the two may part
      // only where it has skipped at least that many in all.
      let skippedByReference = 0;
      for (const [k, frame] of run.frames.entries()) {
        if (skippedByReference >= run.max_skip_frame) break;
        assert.equal(filter.accepts(Float32Array.from(frame)), run.accepted[k], `frame ${k}`);
        if (!run.accepted[k]) skippedByReference++;
      }
    });
  }

  it('skips exactly maxSkipFrame frames of a still scene', () => {
    const filter = new SimilarityFilter({ maxSkipFrame: 3, random: () => 0.5 });
    assert.deepEqual(passes(filter, 9), [true, false, false, false, true, false, false, false, true]);
    assert.deepEqual(passes(new SimilarityFilter({ maxSkipFrame: 0, random: () => 0.5 }), 3), [true, true, true]);
  });

  it('starts the count anew with every frame that passes', () => {
    const filter = new SimilarityFilter({ maxSkipFrame: 3, random: () => 0.5 });
    passes(filter, 3);
    assert.equal(filter.accepts(noisy(1)), true);
    assert.deepEqual(passes(filter, 5, noisy(1)), [false, false, false, true, false]);
  });

  it('skips with probability 1 - (1 - S) / (1 - threshold)', () => {
    const almost = noisy(1).map((value, k) => value + 0.12 * noisy(2)[k]);
    let skipped = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const filter = new SimilarityFilter({ threshold: 0.98, seed });
      filter.accepts(noisy(1));
      if (!filter.accepts(almost)) skipped++;
    }
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, k) => sum + value * b[k], 0);
    const similarity = dot(noisy(1), almost) / Math.sqrt(dot(noisy(1), noisy(1)) * dot(almost, almost));
    const expected = 1 - (1 - similarity) / 0.02;
    assert.ok(expected > 0.2 && expected < 0.9, `the example must be undecided, is ${expected}`);
    assert.ok(Math.abs(skipped / 2000 - expected) < 0.04, `${skipped / 2000} is not ${expected}`);
  });

  it('threshold 1 lets every frame pass, whatever is drawn', () => {
    assert.deepEqual(passes(new SimilarityFilter({ threshold: 1, random: () => 0 }), 4), [true, true, true, true]);
  });

  it('is reproducible: the same seed decides the same way', () => {
    const run = () => Array.from({ length: 60 }, (_, k) => k).map((k) => seeded.accepts(noisy(1 + Math.floor(k / 4) / 400)));
    let seeded = new SimilarityFilter({ threshold: 0.9, seed: 5 });
    const first = run();
    seeded = new SimilarityFilter({ threshold: 0.9, seed: 5 });
    assert.deepEqual(run(), first);
  });

  it('a scene that gets brighter moves by mean squared error, not by cosine', () => {
    const brighter = noisy(1).map((value) => value * 0.5);
    const reaction = (measure: SimilarityMeasure) => {
      const filter = new SimilarityFilter({ measure, random: () => 0.5 });
      filter.accepts(noisy(1));
      return filter.accepts(brighter);
    };
    assert.deepEqual([reaction('cosine'), reaction('centred-cosine'), reaction('mse')], [false, false, true]);
  });

  it('black after white is a change by every measure', () => {
    for (const measure of ['cosine', 'centred-cosine', 'mse'] as const) {
      const filter = new SimilarityFilter({ measure, random: () => 0.5 });
      filter.accepts(new Uint8Array(48).fill(255));
      assert.equal(filter.accepts(new Uint8Array(48)), true, measure);
      assert.equal(filter.accepts(new Uint8Array(48)), false, measure);
    }
  });

  it('reads bytes as it reads floats in -1..1, and lets a picture of another size pass', () => {
    const filter = new SimilarityFilter({ random: () => 0.5 });
    assert.equal(filter.accepts(Float32Array.from([-1, 1, 0.2])), true);
    assert.equal(filter.accepts(Uint8Array.from([0, 255, 153])), false);
    assert.equal(filter.accepts(Uint8Array.from([0, 255])), true);
  });

  it('looks at every picture of a frame: what differs most counts, and one that comes or goes is a change', () => {
    const filter = new SimilarityFilter({ random: () => 0.5 });
    const still = { image: noisy(1), depth: noisy(2) };
    const ways = [
      still,
      still,
      { ...still, depth: noisy(3) },
      { ...still, depth: noisy(3) },
      { image: noisy(1) },
      still,
      { ...still, image: noisy(4) },
    ];
    assert.deepEqual(
      ways.map((frame) => filter.accepts(frame)),
      [true, false, true, false, true, true, true],
    );
  });

  it('says what is wrong with its options', () => {
    assert.throws(() => new SimilarityFilter({ threshold: NaN }), { code: 'EBADPARAM', message: /threshold.*NaN/ });
    assert.throws(() => new SimilarityFilter({ maxSkipFrame: 1.5 }), { code: 'EBADPARAM', message: /maxSkipFrame.*1\.5/ });
    assert.throws(() => new SimilarityFilter({ measure: 'ssim' as SimilarityMeasure }), { code: 'EBADPARAM', message: /measure.*ssim/ });
  });
});
