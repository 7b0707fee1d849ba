import assert from 'node:assert/strict';
import { lowerStrength, MotionMeter } from '../../../engine/diffusion/motion';
import { tIndexListOf } from '../../../engine/diffusion/strength';

const grey = (value: number): Float32Array => new Float32Array(48).fill(value);

/** What a meter says after so many frames that differ by this much each. */
function motionAfter(difference: number, frames: number): number {
  const meter = new MotionMeter();
  let motion = 0;
  for (let k = 0; k < frames; k++) motion = meter.measure(grey(k % 2 === 0 ? 0 : difference));
  return motion;
}

describe('motion-aware noise', () => {
  it('measures nothing in a still scene, and 1 at the most', () => {
    assert.equal(motionAfter(0, 50), 0);
    assert.ok(motionAfter(2, 50) <= 1 && motionAfter(2, 50) > 0.99);
    assert.ok(Math.abs(motionAfter(0.1, 50) - 0.5) < 1e-3, 'half of full motion');
  });

  it('measures more where more moves', () => {
    const motions = [0, 0.01, 0.03, 0.08, 0.15, 0.2].map((difference) => motionAfter(difference, 20));
    for (let k = 1; k < motions.length; k++) assert.ok(motions[k] > motions[k - 1], motions.join());
  });

  it('is smooth: no more than 0.3 from frame to frame, and rests again after the motion', () => {
    const meter = new MotionMeter();
    const values = Array.from({ length: 60 }, (_, k) => meter.measure(grey(k < 30 ? k % 2 : 0)));
    for (let k = 1; k < values.length; k++) assert.ok(Math.abs(values[k] - values[k - 1]) <= 0.3 + 1e-9);
    assert.ok(values[29] > 0.99 && values[59] < 0.01);
  });

  it('takes the first frame, one of another size and one after a restart for still', () => {
    const meter = new MotionMeter();
    assert.equal(meter.measure(grey(1)), 0);
    assert.equal(meter.measure(new Float32Array(12)), 0);
    meter.restart();
    assert.equal(meter.measure(grey(-1)), 0);
  });

  it('lowers the strength monotonically, and keeps every list valid', () => {
    for (const [strength, steps, S] of [
      [1, 1, 50],
      [1, 4, 50],
      [0.5, 2, 50],
      [0.64, 2, 50],
      [0, 3, 50],
      [1, 8, 8],
      [0.7, 3, 10],
    ]) {
      const list = tIndexListOf(strength, steps, S);
      assert.deepEqual(lowerStrength(list, 0, S), list);
      let before = list;
      for (let less = 0; less <= 1; less += 0.01) {
        const lower = lowerStrength(list, less, S);
        assert.equal(lower.length, steps);
        lower.forEach((t, i) =>
          assert.ok(
            Number.isInteger(t) && t < S && t >= before[i] && (i === 0 || t > lower[i - 1]),
            `${lower.join()} after ${before.join()}`,
          ),
        );
        before = lower;
      }
    }
    assert.deepEqual(lowerStrength([25, 37], 0.2, 50), [35, 42]);
  });
});
