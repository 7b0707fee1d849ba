import assert from 'node:assert/strict';
import { inspectModel } from '../../../engine/model/folder';
import type { SuitedSettings } from '../../../engine/model/suited';
import { changedModel, removeModelFolders } from '../../lib/model-folder';

const euler = { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing', prediction_type: 'epsilon' };
const sd = { sample_size: 64 };

/** The settings for a model with these configs. */
async function suited(scheduler: object | null, unet: object = sd): Promise<SuitedSettings> {
  const folder = await changedModel({ 'scheduler/scheduler_config.json': scheduler, 'unet/config.json': unet });
  const { suited: found, problems } = await inspectModel(folder);
  assert.ok(found, problems.join());
  return found;
}

describe('settings that fit a model', () => {
  afterEach(removeModelFolders);

  it('the embedded model: as its examples are', async () => {
    const { suited: found } = await inspectModel('starter');
    assert.equal(found?.kind, 'starter');
    const { width, height, steps, strength, cfgType } = found.settings;
    assert.deepEqual([width, height, steps, strength, cfgType], [256, 256, 2, 0.25, 'none']);
  });

  it('SD-Turbo and SDXL-Turbo: one step without guidance, at their size', async () => {
    for (const scheduler of [euler, { ...euler, _class_name: 'EulerAncestralDiscreteScheduler' }]) {
      const { kind, settings } = await suited(scheduler);
      assert.equal(kind, 'turbo');
      assert.deepEqual([settings.width, settings.height, settings.steps, settings.cfgType], [512, 512, 1, 'none']);
    }
  });

  it('consistency models: four steps without guidance, with the scale that they take as an input', async () => {
    const plain = await suited({ _class_name: 'LCMScheduler' }, { sample_size: [96, 64] });
    assert.equal(plain.kind, 'lcm');
    const { width, height, steps, cfgType, guidanceScale } = plain.settings;
    assert.deepEqual([width, height, steps, cfgType, guidanceScale], [512, 768, 4, 'none', undefined]);
    for (const scheduler of [{ _class_name: 'LCMScheduler' }, null]) {
      const embedded = await suited(scheduler, { ...sd, time_cond_proj_dim: 256 });
      assert.deepEqual([embedded.kind, embedded.settings.guidanceScale], ['lcm', 8]);
    }
    const { kind, settings } = await suited({ _class_name: 'TCDScheduler' });
    assert.deepEqual([kind, settings.scheduler, settings.eta], ['tcd', 'tcd', 0.3]);
  });

  it('other models: their size alone, since nothing says that few steps are enough', async () => {
    for (const scheduler of [
      { _class_name: 'PNDMScheduler' },
      { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'leading' },
      { ...euler, prediction_type: 'v_prediction' },
      { ...euler, rescale_betas_zero_snr: true },
      null,
    ])
      assert.deepEqual(await suited(scheduler), { kind: 'other', settings: { width: 512, height: 512 } }, JSON.stringify(scheduler));
    assert.deepEqual((await suited(null, { sample_size: 'large' })).settings, { width: 512, height: 512 });
  });

  it('by the name of its export only where there is no scheduler to go by', async () => {
    const named = (name: string) => ({ ...sd, _name_or_path: name });
    assert.equal((await suited(null, named('stabilityai/sd-turbo'))).kind, 'turbo');
    assert.equal((await suited(null, named('SimianLuo/LCM_Dreamshaper_v7'))).kind, 'lcm');
    assert.equal((await suited(null, named('calcmodel'))).kind, 'other');
    assert.equal((await suited({ _class_name: 'PNDMScheduler' }, named('stabilityai/sd-turbo'))).kind, 'other');
  });
});
