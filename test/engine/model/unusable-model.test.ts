import assert from 'node:assert/strict';
import { inspectModel } from '../../../engine/model/folder';
import { Model } from '../../../engine/model/model';
import { inFreshProcess } from '../../lib/fresh-process';
import { changedModel, removeModelFolders, type Changes } from '../../lib/model-folder';
import { externalWeight, node, onnxModel, value } from '../../lib/onnx-maker';
import { REFERENCE_MODEL } from '../../lib/reference';

const schedulerFile = 'scheduler/scheduler_config.json';

/** A net whose only weight is in another file. */
const withWeightsIn = (path: string): Buffer =>
  onnxModel({
    inputs: [value('x', 'float32', [1])],
    outputs: [value('y', 'float32', [1])],
    weights: [externalWeight('w', [1], path)],
    nodes: [node('Add', ['x', 'w'], 'y')],
  });

describe('model folder that cannot be used', () => {
  after(removeModelFolders);

  const net = (inputs: Buffer[], outputs: Buffer[]): Buffer => onnxModel({ inputs, outputs, nodes: [node('Identity', ['x'], 'y')] });
  const cases: [string, Changes, string, RegExp][] = [
    ['lacks its unet', { unet: null }, 'ENOMODEL', /lacks unet.model\.onnx/],
    ['lacks its text encoder', { 'text_encoder/model.onnx': null }, 'ENOMODEL', /lacks text_encoder.model\.onnx/],
    ['lacks its decoder', { vae_decoder: null }, 'ENOMODEL', /lacks vae_decoder.model\.onnx/],
    [
      'has garbage for a net',
      { 'unet/model.onnx': Buffer.alloc(5000, 7) },
      'EBADMODEL',
      /unet.model\.onnx is torn, damaged or not an ONNX file/,
    ],
    ['has an empty net', { 'vae_encoder/model.onnx': '' }, 'EBADMODEL', /vae_encoder.model\.onnx is torn, damaged/],
    [
      'has a pointer for a net',
      { 'unet/model.onnx': 'version https://git-lfs.github.com/spec/v1\n' },
      'EBADMODEL',
      /unet.model\.onnx.*Git LFS/,
    ],
    ['has broken JSON', { 'unet/config.json': '{"in_channels": 4,' }, 'EBADMODEL', /unet.config\.json is not a JSON object/],
    ['has a config that is not an object', { [schedulerFile]: '[]' }, 'EBADMODEL', /scheduler_config\.json is not a JSON object/],
    ['has a broken tokenizer', { 'tokenizer/tokenizer.json': { model: {} } }, 'EBADMODEL', /tokenizer/],
    ['has an unknown schedule', { [schedulerFile]: { beta_schedule: 'sigmoid' } }, 'EBADMODEL', /beta_schedule.*sigmoid.*scaled_linear/],
    ['has an unknown prediction type', { [schedulerFile]: { prediction_type: 'flow' } }, 'EBADMODEL', /prediction_type.*flow/],
    ['has a text where a number is needed', { [schedulerFile]: { beta_end: 'high' } }, 'EBADMODEL', /beta_end.*high/],
    [
      'has an autoencoder of other channels',
      { 'vae_decoder/config.json': { latent_channels: 16, block_out_channels: [1, 1, 1, 1] } },
      'EBADMODEL',
      /4 channels.*16/,
    ],
    [
      'has a text encoder of another width',
      { 'text_encoder/model.onnx': net([value('x', 'int64', [1, 77])], [value('y', 'float32', [1, 77, 48])]) },
      'EBADMODEL',
      /width 32.*48/,
    ],
    [
      'has something else for a text encoder',
      { 'text_encoder/model.onnx': net([value('x', 'float32', [1])], [value('y', 'float32', [1])]) },
      'EBADMODEL',
      /text_encoder/,
    ],
    [
      'has something else for a unet',
      { 'unet/model.onnx': net([value('x', 'float32', [1]), value('z', 'float32', [1])], [value('y', 'float32', [1])]) },
      'EBADMODEL',
      /unet has no input "sample".*"x", "z"/,
    ],
    [
      'has a net of one input for a unet',
      { 'unet/model.onnx': net([value('x', 'float32', [1])], [value('y', 'float32', [1])]) },
      'EBADMODEL',
      /unet must take latents/,
    ],
    [
      'takes weights from outside its folder',
      { 'vae_decoder/model.onnx': withWeightsIn('../unet/model.onnx') },
      'EBADMODEL',
      /outside its folder \(\.\.\/unet\/model\.onnx\)/,
    ],
    [
      'keeps its weights in a file that is not there',
      { 'vae_decoder/model.onnx': withWeightsIn('model.onnx_data') },
      'EBADMODEL',
      /model\.onnx_data, which is missing/,
    ],
  ];
  for (const [name, changes, code, message] of cases) {
    it(`${name}: ${code}, and the check says the same`, async () => {
      const folder = await changedModel(changes);
      await assert.rejects(Model.load({ model: folder }), { code, message });
      const { usable, problems, info } = await inspectModel(folder);
      assert.equal(usable, false);
      assert.equal(info, undefined);
      assert.ok(
        problems.some((problem) => message.test(problem)),
        problems.join('\n'),
      );
    });
  }

  it('is not there: ENOMODEL with the path and what is expected', async () => {
    await assert.rejects(Model.load({ model: '/no/such/model' }), {
      code: 'ENOMODEL',
      message: /\/no\/such\/model; expected .*model\.onnx/,
    });
  });

  it('is torn where only opening it shows: nothing stays open', async function () {
    if (process.platform !== 'linux') return this.skip();
    // The head of the last net of the four reads well, but the file with its weights is shorter than they are.
    const decoder = onnxModel({
      inputs: [value('latent_sample', 'float32', ['b', 4, 'h', 'w'])],
      outputs: [value('sample', 'float32', ['b', 3, 'h', 'w'])],
      weights: [externalWeight('w', [1000], 'weights.bin')],
      nodes: [node('Add', ['latent_sample', 'w'], 'sample')],
    });
    const torn = await changedModel({ 'vae_decoder/model.onnx': decoder, 'vae_decoder/weights.bin': Buffer.alloc(100) });
    // Every open net has threads of its own, so in a quiet process their number tells how many are open.
    const threads = await inFreshProcess(`
      const { Model } = require('./engine/model/model');
      const threads = () => require('fs').readdirSync('/proc/self/task').length;
      const load = (model) => Model.load({ model, intraOpNumThreads: 4 });
      const counts = {};
      counts.first = await load(${JSON.stringify(torn)}).catch((error) => error.code + ' ' + error.message);
      counts.before = threads();
      await load(${JSON.stringify(torn)}).catch(() => undefined);
      counts.afterFailure = threads();
      const model = await load(${JSON.stringify(REFERENCE_MODEL)});
      counts.open = threads();
      await model.close();
      counts.closed = threads();
      return counts;
    `);
    assert.match(String(threads.first), /^EBADMODEL .*vae_decoder.model\.onnx cannot be opened/);
    assert.equal(threads.afterFailure, threads.before);
    assert.ok(Number(threads.open) > Number(threads.before), 'an open model is seen this way');
    assert.equal(threads.closed, threads.before);
  });
});
