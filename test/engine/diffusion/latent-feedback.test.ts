import assert from 'node:assert/strict';
import { mixLatent } from '../../../engine/diffusion/latent-feedback';
import { randn } from '../../../engine/diffusion/noise';

const rms = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
const [latent, other] = [randn([4, 16, 16], 1), randn([4, 16, 16], 2)];

describe('latent feedback', () => {
  it('mixes: (1 - s)·z + s·x̂0 where the last latent is not the stronger one', () => {
    const last = other.map((value) => 0.5 * value);
    mixLatent(latent, last, 0.3).forEach((value, k) => assert.ok(Math.abs(value - (0.7 * latent[k] + 0.3 * last[k])) < 1e-6));
    assert.deepEqual(mixLatent(latent, last, 0), latent);
  });

  it('is never stronger than what came in', () => {
    for (const gain of [0.1, 1, 10, 1e6]) {
      for (const amount of [0.1, 0.5, 1]) {
        const mixed = mixLatent(
          latent,
          other.map((value) => gain * value),
          amount,
        );
        assert.ok(rms(mixed) <= rms(latent) * 1.001, `gain ${gain}, amount ${amount}: ${rms(mixed)}`);
      }
    }
  });

  it('does not run away with a model that amplifies five-fold, over 1000 frames', () => {
    let last = other;
    for (let k = 0; k < 1000; k++) last = mixLatent(randn([4, 16, 16], k), last, 0.6).map((value) => 5 * value);
    assert.ok(rms(last) <= 5 * 1.1, `${rms(last)}`);
  });

  it('passes over a last latent of zeros or of no numbers', () => {
    assert.deepEqual(mixLatent(latent, new Float32Array(latent.length), 0.5), latent);
    assert.deepEqual(
      mixLatent(
        latent,
        other.map(() => NaN),
        0.5,
      ),
      latent,
    );
    assert.deepEqual(
      mixLatent(
        latent,
        other.map(() => Infinity),
        0.5,
      ),
      latent,
    );
  });
});
