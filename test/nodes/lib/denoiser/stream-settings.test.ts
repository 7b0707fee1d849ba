import assert from 'node:assert/strict';
import { SETTINGS } from '../../../../engine/diffusion/options';
import type { StreamSettings } from '../../../../engine/host/protocol/messages';
import { readDialog, readParams } from '../../../../nodes/lib/denoiser/stream-settings';

const CURRENT: StreamSettings = { mode: 'img2img', width: 256, height: 256, tIndexList: [18, 34], numInferenceSteps: 50 };

describe('settings of a stream', () => {
  it('are read from the dialog, whose fields are texts', () => {
    const fields = {
      mode: 'txt2img',
      width: '512',
      height: '384',
      stepsBy: 'strength',
      strength: '1',
      steps: '4',
      numInferenceSteps: '50',
      cfgType: 'none',
      guidanceScale: '1',
      delta: '0.5',
      seed: '7',
      frameBufferSize: '2',
      useDenoisingBatch: false,
      doAddNoise: true,
      format: 'png',
      quality: '90',
    };
    assert.deepEqual(readDialog(fields), {
      mode: 'txt2img',
      width: 512,
      height: 384,
      tIndexList: [0, 12, 25, 37],
      numInferenceSteps: 50,
      cfgType: 'none',
      guidanceScale: 1,
      delta: 0.5,
      seed: 7,
      frameBufferSize: 2,
      useDenoisingBatch: false,
      doAddNoise: true,
      followNewest: 'none',
      format: 'png',
      quality: 90,
    });
  });

  it('have defaults for what is empty or missing', () => {
    assert.deepEqual(readDialog({}), {
      mode: 'img2img',
      width: 256,
      height: 256,
      numInferenceSteps: 50,
      tIndexList: [25, 37],
      followNewest: 'none',
    });
    assert.deepEqual(readDialog({ width: '', strength: '', steps: '' }), readDialog({}));
  });

  it('take the steps from the chosen field, whatever the other one holds', () => {
    assert.deepEqual(readDialog({ stepsBy: 'list', tIndexList: '3, 9 20', strength: 'nothing' }).tIndexList, [3, 9, 20]);
    assert.deepEqual(readDialog({ stepsBy: 'strength', tIndexList: 'nothing', strength: '0.64' }).tIndexList, [18, 34]);
  });

  it('change live, by their names', () => {
    assert.deepEqual(readParams({ guidanceScale: 1.4, seed: '5', tIndexList: [10] }, CURRENT), {
      guidanceScale: 1.4,
      seed: 5,
      tIndexList: [10],
    });
    assert.deepEqual(readParams({}, CURRENT), {});
    const seeds = [
      { seed: 7, weight: 1 },
      { seed: 12, weight: 0.5 },
    ];
    for (const list of [seeds, [7, { seed: 12, weight: '0.5' }], '7:1, 12:0.5', '7 12:0.5'])
      assert.deepEqual(readParams({ seeds: list }, CURRENT), { seeds });
    for (const none of [[], '']) assert.deepEqual(readParams({ seeds: none, seed: -1 }, CURRENT), { seeds: [], seed: -1 });
  });

  it('change the weights of the adapters that are named, and leave the others', () => {
    const current = { ...CURRENT, weights: { edges: 0.5, style: 1 } };
    for (const weights of [{ edges: 0.8, 'my style': '-2' }, 'edges: 0.8, my style:-2'])
      assert.deepEqual(readParams({ weights }, current), { weights: { edges: 0.8, style: 1, 'my style': -2 } });
    assert.deepEqual(readParams({ weights: {} }, current), { weights: current.weights });
    assert.deepEqual(readDialog({ weights: 'edges: 0' }).weights, { edges: 0 });
    const adapters = [{ name: 'edges', kind: 'controlnet' }];
    assert.deepEqual(readParams({ weights: { edges: 1 } }, current, { adapters }).weights, { edges: 1, style: 1 });
    assert.throws(() => readParams({ weights: { depth: 1 } }, current, { adapters }), { code: 'EBADPARAM', message: /"depth".*edges/ });
  });

  it('keep the number of steps when only the strength changes, and the strength when only the number does', () => {
    assert.deepEqual(readParams({ strength: 1 }, CURRENT), { tIndexList: [0, 25] });
    assert.deepEqual(readParams({ steps: 4 }, CURRENT), { tIndexList: [18, 26, 34, 42] });
    assert.deepEqual(readParams({ strength: 0.5, steps: 1, numInferenceSteps: 10 }, CURRENT), { tIndexList: [5], numInferenceSteps: 10 });
  });

  it('are checked when they come, and not again with those of every later message', () => {
    const { guidanceScale } = SETTINGS;
    const { isValid } = guidanceScale;
    let checks = 0;
    guidanceScale.isValid = (value): value is number => {
      checks++;
      return isValid(value);
    };
    try {
      const current = { ...CURRENT, ...readParams({ guidanceScale: 1.4 }, CURRENT) };
      assert.ok(checks > 0);
      checks = 0;
      readParams({ seed: 5 }, current);
      assert.equal(checks, 0);
    } finally {
      guidanceScale.isValid = isValid;
    }
  });

  it('are refused when they cannot work', () => {
    const bad: unknown[] = [
      null,
      'strength',
      [],
      5,
      { strength: NaN },
      { strength: null },
      { strength: -0.1 },
      { steps: 0 },
      { steps: 51 },
      { tIndexList: [] },
      { tIndexList: [5, 5] },
      { tIndexList: [50] },
      { tIndexList: [1.5] },
      { tIndexList: [NaN] },
      { tIndexList: {} },
      { strength: 0.5, tIndexList: [3] },
      { numInferenceSteps: 20 },
      { numInferenceSteps: Infinity },
      { width: 0 },
      { height: 'tall' },
      { width: 1e9 },
      { mode: 'vid2vid' },
      { cfgType: 'SELF' },
      { guidanceScale: '' },
      { delta: '1px' },
      { doAddNoise: 1 },
      { frameBufferSize: 0 },
      { seed: -2 },
      { seeds: 5 },
      { seeds: [{ weight: 1 }] },
      { seeds: '7:x' },
      { seeds: [{ seed: 1, weight: -1 }] },
      { seedDrift: 100 },
      { feedback: 2 },
      { feedbackZoom: 3 },
      { feedbackRotate: 'round' },
      { latentFeedback: -1 },
      { weights: 1 },
      { weights: [0.5] },
      { weights: 'edges' },
      { weights: { edges: NaN } },
      { weights: { edges: 'much' } },
      { weights: { edges: null } },
      { weights: Object.fromEntries(Array.from({ length: 65 }, (_, k) => [`a${k}`, 1])) },
      { seed: 1.5 },
      { followNewest: 'some' },
      { format: 'gif' },
      { quality: 101 },
      { Strength: 0.5 },
      { constructor: 1 },
    ];
    for (const params of bad) assert.throws(() => readParams(params, CURRENT), { code: 'EBADPARAM' }, JSON.stringify(params));
  });
});
