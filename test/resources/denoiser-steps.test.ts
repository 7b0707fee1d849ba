import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { inferenceTimesteps } from '../../engine/diffusion/schedule';
import { tIndexListOf } from '../../engine/diffusion/strength';
import { readDialog, type DenoiserFields } from '../../nodes/lib/denoiser/stream-settings';
import { ROOT, STABLE_DIFFUSION } from '../lib/reference';

interface Steps {
  indicesOf(strength: number, steps: number, length: number): number[];
  timestepOf(index: number, length: number): number;
  sliderRange(isStarter: boolean, strength: number): number[];
  presetsOf(isStarter: boolean): Record<string, DenoiserFields>;
}

describe('the steps that the denoiser dialog shows', () => {
  const window: { StreamDiffusion?: Steps } = {};
  runInNewContext(readFileSync(join(ROOT, 'resources/denoiser-steps.js'), 'utf8'), { window });
  const { indicesOf, timestepOf, sliderRange, presetsOf } = window.StreamDiffusion!;

  it('are those that the engine takes', () => {
    for (const length of [1, 2, 7, 25, 50]) {
      for (let steps = 1; steps <= Math.min(length, 8); steps++) {
        for (let strength = 0; strength <= 1; strength += 0.05) {
          assert.deepEqual(
            [...indicesOf(strength, steps, length)],
            tIndexListOf(strength, steps, length),
            `${strength} ${steps} ${length}`,
          );
        }
      }
      const timesteps = inferenceTimesteps(STABLE_DIFFUSION, length);
      assert.deepEqual(
        timesteps.map((_, index) => timestepOf(index, length)),
        timesteps,
        `timesteps of ${length}`,
      );
    }
  });

  it('begin at presets that the denoiser accepts', () => {
    for (const isStarter of [true, false]) {
      const presets = presetsOf(isStarter);
      assert.deepEqual(Object.keys(presets), ['fast', 'faithful', 'free']);
      for (const fields of Object.values(presets)) {
        assert.ok(readDialog(fields).tIndexList.length > 0);
        assert.equal(fields.cfgType, 'none', 'residual guidance leads away from who stands before the camera');
      }
      assert.ok(readDialog(presets.faithful).tIndexList[0] > readDialog(presets.free).tIndexList[0], 'faithful keeps more');
    }
  });

  it('spread over the slider where pictures of the model differ, and show every other strength as well', () => {
    assert.deepEqual([...sliderRange(true, 0.3)], [0.1, 0.7]);
    for (const [isStarter, strength] of [
      [true, 0.05],
      [true, 0.8],
      [true, 1],
      [false, 0.3],
    ] as const)
      assert.deepEqual([...sliderRange(isStarter, strength)], [0, 1]);
    for (const { strength } of Object.values(presetsOf(true)))
      assert.ok(sliderRange(true, Number(strength))[1] < 1, 'each preset is on it');
  });
});
