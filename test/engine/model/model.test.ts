import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspectModel } from '../../../engine/model/folder';
import { Model, type LoadProgress } from '../../../engine/model/model';
import { inFreshProcess } from '../../lib/fresh-process';
import { changedModel, removeModelFolders, type Changes } from '../../lib/model-folder';
import { node, onnxModel, tinyUnet, value, weight } from '../../lib/onnx-maker';
import { REFERENCE_MODEL, STABLE_DIFFUSION } from '../../lib/reference';

const schedulerFile = 'scheduler/scheduler_config.json';

describe('model folder', () => {
  after(removeModelFolders);

  it('opens the embedded model, which reads texts', async () => {
    const model = await Model.load({ model: 'starter' });
    const { info } = model;
    assert.deepEqual(info, {
      model: 'starter',
      executionProvider: 'cpu',
      vaeScaleFactor: info.vaeScaleFactor,
      latentChannels: info.latentChannels,
      predictionType: 'epsilon',
      arithmetic: info.arithmetic,
      adapters: [{ name: 'shape', kind: 'controlnet', picture: 'frame' }],
    });
    assert.ok(info.arithmetic?.reason);
    assert.deepEqual(model.warnings, []);
    const conditioning = await model.textEncoder.encodeText('a night over the mountains');
    const [h, w] = [4, 4];
    const [height, width] = [h * info.vaeScaleFactor, w * info.vaeScaleFactor];
    const latent = await model.vaeEncoder?.encode(new Float32Array(3 * height * width), height, width);
    assert.equal(latent?.length, info.latentChannels * h * w);
    const [predicted] = await model.unet.predict([{ sample: latent, shape: { height: h, width: w }, timestep: 499, conditioning }]);
    assert.equal(predicted.length, latent.length);
    assert.equal((await model.vaeDecoder.decode(predicted, h, w)).length, 3 * height * width);
    await model.close();
    await assert.rejects(model.vaeDecoder.decode(predicted, h, w), { code: 'ECLOSED' });
  });

  it('opens the reference model and tells how far it is', async () => {
    const steps: LoadProgress[] = [];
    const model = await Model.load({
      model: REFERENCE_MODEL,
      intraOpNumThreads: 1,
      onProgress: (progress) => steps.push(progress),
    });
    assert.deepEqual(model.info, {
      model: REFERENCE_MODEL,
      executionProvider: 'cpu',
      vaeScaleFactor: 8,
      latentChannels: 4,
      predictionType: 'epsilon',
      adapters: [],
    });
    assert.deepEqual(
      steps.slice(0, 4).map(({ net }) => net),
      ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
    );
    const { totalBytes } = steps[0];
    assert.ok(totalBytes > 4e6);
    assert.deepEqual([steps[0].loadedBytes, steps[4].loadedBytes], [0, totalBytes]);
    assert.ok(steps.every((step, i) => step.totalBytes === totalBytes && (i === 0 || step.loadedBytes > steps[i - 1].loadedBytes)));
    await model.close();
  });

  it('warns of providers that do not work and goes on with the next', async () => {
    const model = await Model.load({ model: REFERENCE_MODEL, executionProviders: ['nonsense', 'cpu'] });
    assert.equal(model.info.executionProvider, 'cpu');
    assert.equal(model.warnings.length, 1);
    assert.match(model.warnings[0], /^nonsense does not work here: /);
    await model.close();
    await assert.rejects(Model.load({ model: REFERENCE_MODEL, executionProviders: ['nonsense'] }), { code: 'ENOPROVIDER' });
  });

  it('reads the schedule, with the defaults of diffusers where the config is silent', async () => {
    const given = {
      num_train_timesteps: 500,
      beta_start: 0.001,
      beta_end: 0.02,
      beta_schedule: 'linear',
      prediction_type: 'v_prediction',
      rescale_betas_zero_snr: true,
      original_inference_steps: 40,
      timestep_scaling: 5,
    };
    const told = await Model.load({ model: await changedModel({ [schedulerFile]: given }) });
    assert.deepEqual(told.schedulerConfig, {
      numTrainTimesteps: 500,
      betaStart: 0.001,
      betaEnd: 0.02,
      betaSchedule: 'linear',
      predictionType: 'v_prediction',
      rescaleBetasZeroSnr: true,
      originalInferenceSteps: 40,
      timestepScaling: 5,
    });
    assert.equal(told.info.predictionType, 'v_prediction');
    await told.close();
    const silent = await Model.load({ model: await changedModel({ [schedulerFile]: null }) });
    assert.deepEqual(silent.schedulerConfig, STABLE_DIFFUSION);
    await silent.close();
  });

  it('opens without a vae_encoder, for txt2img', async () => {
    const folder = await changedModel({ vae_encoder: null });
    const model = await Model.load({ model: folder });
    assert.equal(model.vaeEncoder, undefined);
    await model.close();
    const report = await inspectModel(folder);
    assert.deepEqual([report.usable, report.missing], [true, [join('vae_encoder', 'model.onnx')]]);
    assert.ok(report.notes.some((note) => note.includes('txt2img')));
  });

  it('warns of a float16 model on cpu', async () => {
    const model = await Model.load({ model: await changedModel({ 'unet/model.onnx': tinyUnet({ type: 'float16' }) }) });
    assert.ok(model.warnings.some((warning) => warning.includes('float16')));
    await model.close();
  });

  it('warns of an encoder that draws samples', async () => {
    const folder = await changedModel({
      'vae_encoder/model.onnx': onnxModel({
        inputs: [value('sample', 'float32', ['b', 3, 'h', 'w'])],
        outputs: [value('latent_sample', 'float32', ['b', 4, 'h8', 'w8'])],
        weights: [weight('w', [4, 3, 1, 1], new Float32Array(12).fill(1))],
        nodes: [
          node('AveragePool', ['sample'], 'pooled', { kernel_shape: [8, 8], strides: [8, 8] }),
          node('Conv', ['pooled', 'w'], 'mean'),
          node('RandomNormalLike', ['mean'], 'noise'),
          node('Add', ['mean', 'noise'], 'latent_sample'),
        ],
      }),
    });
    const model = await Model.load({ model: folder });
    await model.close();
    for (const notes of [model.warnings, (await inspectModel(folder)).notes]) {
      assert.ok(notes.some((note) => /random sample.*flickers/.test(note)));
    }
  });

  for (const [name, shape] of [
    ['no dimension', []],
    ['one value', [1]],
  ] as const) {
    it(`runs all rows together where its timestep has ${name} and the graph repeats it`, async () => {
      const unet = tinyUnet({ timestepType: 'float32', timestepShape: [...shape], expand: true });
      const folder = await changedModel({ 'unet/model.onnx': unet });
      const model = await Model.load({ model: folder });
      assert.deepEqual(model.warnings, [], 'steps share a run');
      const conditioning = model.textEncoder.blank();
      const rows = [999, 19, 1].map((timestep) => ({
        sample: new Float32Array(16).fill(2),
        shape: { height: 2, width: 2 },
        timestep,
        conditioning,
      }));
      assert.deepEqual(
        (await model.unet.predict(rows)).map(([first]) => first),
        [1998, 38, 2],
      );
      assert.deepEqual((await inspectModel(folder)).notes, ['Without a tokenizer this model takes token ids, no texts.']);
      await model.close();
    });
  }

  describe('of which operators bind it to a provider', () => {
    const bound = (...operators: string[]): Changes => ({
      'vae_decoder/model.onnx': onnxModel({
        inputs: [value('latent_sample', 'float32', ['b', 4, 'h', 'w'])],
        outputs: [value('sample', 'float32', ['b', 3, 'h', 'w'])],
        nodes: operators.map((operator) => node(operator, ['latent_sample'], 'sample')),
      }),
    });

    it('is not opened on another, and says what to do', async () => {
      const folder = await changedModel(bound('com.microsoft.NhwcConv', 'com.microsoft.BiasAdd'));
      await assert.rejects(Model.load({ model: folder }), {
        code: 'ENOPROVIDER',
        message: /cpu: it lacks com\.microsoft\.NhwcConv, com\.microsoft\.BiasAdd.*optimised for cuda.*take the export/,
      });
      const { executionProviders, notes } = await inspectModel(folder);
      assert.deepEqual(executionProviders, ['cuda']);
      assert.ok(notes.some((note) => /runs on cuda only.*NhwcConv/.test(note)));
    });

    it('names all that can', async () => {
      const { executionProviders } = await inspectModel(await changedModel(bound('com.microsoft.BiasSplitGelu')));
      assert.deepEqual(executionProviders, ['cuda', 'dml', 'webgpu']);
      assert.equal((await inspectModel(REFERENCE_MODEL)).executionProviders, undefined);
    });
  });

  it('is looked into without being opened', async () => {
    const report = await inspectModel(REFERENCE_MODEL);
    assert.deepEqual(
      report.nets.map(({ name }) => name),
      ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
    );
    for (const { file, bytes } of report.nets) assert.equal(bytes, (await readFile(file)).length);
    assert.deepEqual(report.info, { vaeScaleFactor: 8, latentChannels: 4, predictionType: 'epsilon', textWidth: 32 });
    assert.deepEqual([report.usable, report.problems, report.missing, report.hasTokenizer], [true, [], [], false]);
    assert.equal((await inspectModel('starter')).hasTokenizer, true);
  });

  it('costs a process that only looks no ONNX Runtime, and one that only imports it no library at all', async () => {
    const loaded = await inFreshProcess(`
      const libraries = () => ['onnxruntime', 'tokenizers', 'sharp'].filter((name) => Object.keys(require.cache).some((path) => path.includes('node_modules/') && path.includes(name)));
      const { inspectModel } = require('./engine/model/folder');
      require('./engine/model/model');
      require('./engine/image/codec');
      const imported = libraries();
      const { usable } = await inspectModel('starter');
      return { imported, usable, looked: libraries() };
    `);
    assert.deepEqual(loaded, { imported: [], usable: true, looked: ['tokenizers'] });
  });
});
