import assert from 'node:assert/strict';
import { blend, type Conditioning } from '../../../engine/prompt/conditioning';

const of = (...values: number[]): Conditioning => ({
  hiddenStates: Float32Array.from(values),
  tokens: values.length / 2,
  width: 2,
});

describe('blending conditionings', () => {
  const [a, b] = [of(0, 4, 8, 0), of(4, 0, 0, 8)];

  it('is linear, with normalised weights', () => {
    const blended = blend([
      { conditioning: a, weight: 3 },
      { conditioning: b, weight: 1 },
    ]);
    assert.deepEqual(blended, of(1, 3, 6, 2));
    assert.deepEqual(
      blend([
        { conditioning: a, weight: 0.3 },
        { conditioning: b, weight: 0.1 },
      ]).hiddenStates.map((x) => Math.round(x * 1e5) / 1e5),
      blended.hiddenStates,
    );
  });

  it('lets a negative weight push away', () => {
    assert.deepEqual(
      blend([
        { conditioning: a, weight: 2 },
        { conditioning: b, weight: -1 },
      ]),
      of(-4, 8, 16, -8),
    );
  });

  it('counts weights without a usable sum as equal', () => {
    for (const [first, second] of [
      [0, 0],
      [1, -1],
      [NaN, 1],
      [Infinity, 1],
    ]) {
      assert.deepEqual(
        blend([
          { conditioning: a, weight: first },
          { conditioning: b, weight: second },
        ]),
        of(2, 2, 4, 4),
      );
    }
  });

  it('gives one part back as it is, whatever its weight', () => {
    assert.equal(blend([{ conditioning: a, weight: 0 }]), a);
  });

  it('changes no part', () => {
    blend([
      { conditioning: a, weight: 1 },
      { conditioning: b, weight: 1 },
    ]);
    assert.deepEqual([a, b], [of(0, 4, 8, 0), of(4, 0, 0, 8)]);
  });

  it('refuses parts of different shapes, and none', () => {
    assert.throws(
      () =>
        blend([
          { conditioning: a, weight: 1 },
          { conditioning: of(1, 2), weight: 1 },
        ]),
      /\[2, 2\] and \[1, 2\]/,
    );
    assert.throws(() => blend([]), RangeError);
  });
});
