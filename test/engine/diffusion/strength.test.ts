import assert from 'node:assert/strict';
import { tIndexListOf, strengthOf } from '../../../engine/diffusion/strength';

describe('strength', () => {
  it('starts at round((1 - strength) · S) and spreads the steps evenly to the end', () => {
    assert.deepEqual(tIndexListOf(0.64, 2, 50), [18, 34]);
    assert.deepEqual(tIndexListOf(1, 4, 50), [0, 12, 25, 37]);
    assert.deepEqual(tIndexListOf(0.5, 1, 50), [25]);
    assert.deepEqual(tIndexListOf(0.3, 3, 10), [7, 8, 9]);
  });

  it('keeps the number of steps when little strength leaves no room for them', () => {
    assert.deepEqual(tIndexListOf(0, 1, 50), [49]);
    assert.deepEqual(tIndexListOf(0, 4, 50), [46, 47, 48, 49]);
    assert.deepEqual(tIndexListOf(0.04, 3, 50), [47, 48, 49]);
  });

  it('is ascending, without repetition, and below the length of the schedule for every strength', () => {
    for (const total of [1, 4, 50, 999]) {
      for (let steps = 1; steps <= Math.min(total, 12); steps++) {
        for (let strength = 0; strength <= 1; strength += 0.01) {
          const list = tIndexListOf(strength, steps, total);
          assert.equal(list.length, steps);
          assert.ok(
            list.every((t, i) => Number.isInteger(t) && t >= 0 && t < total && (i === 0 || t > list[i - 1])),
            `${strength} ${steps} ${total}: ${list}`,
          );
        }
      }
    }
  });

  it('never paints less when the strength grows', () => {
    for (let strength = 0.01; strength <= 1; strength += 0.01) {
      assert.ok(tIndexListOf(strength, 2, 50)[0] <= tIndexListOf(strength - 0.01, 2, 50)[0]);
    }
  });

  it('is found again in the list', () => {
    for (const strength of [0.2, 0.5, 0.64, 1]) assert.ok(Math.abs(strengthOf(tIndexListOf(strength, 2, 50), 50) - strength) < 1e-9);
  });

  it('refuses what is no strength and no number of steps', () => {
    for (const [strength, steps, total] of [
      [NaN, 2, 50],
      [1.1, 2, 50],
      [-0.1, 2, 50],
      [0.5, 0, 50],
      [0.5, 1.5, 50],
      [0.5, 51, 50],
      [0.5, 1, 0],
    ]) {
      assert.throws(() => tIndexListOf(strength, steps, total), { code: 'EBADPARAM' }, `${strength} ${steps} ${total}`);
    }
  });
});
