import assert from 'node:assert/strict';
import { differenceOf, type TrialOutputs } from '../../../engine/model/trial-outputs';

const LEVEL = 2 / 255;

/** As if a net had given these. */
const outputs = (change: (value: number, k: number) => number, name?: keyof TrialOutputs): TrialOutputs => {
  const values = (steps: number) => Float32Array.from({ length: 256 }, (_, k) => Math.round(100 * Math.sin(k)) * steps);
  const all = { encoded: values(0.01), predicted: values(0.01), decoded: values(LEVEL) };
  return name ? { ...all, [name]: all[name].map(change) } : all;
};
const same = outputs((value) => value);

describe('what two execution providers painted', () => {
  it('is the same where pictures are rounded to the next grey level', () => {
    assert.equal(
      differenceOf(
        outputs((value, k) => value + (k % 2 ? LEVEL : -LEVEL), 'decoded'),
        same,
      ),
      0,
    );
    assert.ok(
      differenceOf(
        outputs((value, k) => value + (k % 2 ? 3 : -3) * LEVEL, 'decoded'),
        same,
      ) > 0.01,
    );
  });

  it('is compared in latents without any slack', () => {
    for (const name of ['encoded', 'predicted'] as const) {
      const off = differenceOf(
        outputs((value) => value * 1.005, name),
        same,
      );
      assert.ok(Math.abs(off - 0.005) < 1e-4, `${name}: ${off}`);
    }
  });

  it('is as different as can be where a net gives no number, nothing, or another size', () => {
    for (const name of ['encoded', 'predicted', 'decoded'] as const) {
      assert.equal(
        differenceOf(
          outputs((value, k) => (k === 7 ? NaN : value), name),
          same,
        ),
        Infinity,
        name,
      );
      assert.equal(differenceOf({ ...same, [name]: same[name]?.subarray(1) }, same), Infinity, name);
    }
    assert.equal(differenceOf({ ...same, encoded: undefined }, same), Infinity);
    assert.equal(differenceOf(same, { ...same, encoded: undefined }), 0, 'a model without encoder');
  });
});
