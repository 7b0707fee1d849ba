import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { findFiles } from '../../../engine/model/files';
import { inspectModel } from '../../../engine/model/folder';
import { Model } from '../../../engine/model/model';
import { externalWeight, node, onnxModel, tinyAutoencoder, tinyTextEncoder, tinyUnet, value } from '../../lib/onnx-maker';
import { REFERENCE_MODEL, ROOT } from '../../lib/reference';

const nets = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'];

describe('layouts of model folders', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'layout-'))));
  afterEach(() => rm(folder, { recursive: true }));

  /** The nets of the reference model beside each other, without configs. */
  const flatten = async (into: string, name: (net: string) => string): Promise<void> => {
    await mkdir(into, { recursive: true });
    for (const net of nets) await cp(join(REFERENCE_MODEL, net, 'model.onnx'), join(into, name(net)));
  };
  const found = async (): Promise<Record<string, string>> => {
    const files = await findFiles(folder);
    return Object.fromEntries(
      Object.entries(files.nets).map(([net, { path }]) => [net, path.slice(folder.length + 1).replaceAll('\\', '/')]),
    );
  };

  const flat: [string, (net: string) => string][] = [
    ['beside each other', (net) => `${net}.onnx`],
    ['with hyphens and sizes', (net) => `sd-${net.replace('_', '-')}-v1.5-model-b2c4h64w64.onnx`],
    ['with the name of their precision', (net) => `${net}_model_q4f16.onnx`],
    ['in a folder onnx', (net) => `onnx/${net}_model.onnx`],
  ];
  for (const [name, rename] of flat) {
    it(`finds nets ${name}`, async () => {
      await mkdir(join(folder, 'onnx'));
      await flatten(folder, rename);
      assert.deepEqual(await found(), Object.fromEntries(nets.map((net) => [net, rename(net)])));
      const model = await Model.load({ model: folder });
      assert.deepEqual([model.info.latentChannels, model.info.vaeScaleFactor, model.textEncoder.width], [4, 8, 32]);
      await model.close();
      const { usable, nets: reported } = await inspectModel(folder);
      assert.ok(usable && reported.every(({ bytes }) => bytes > 1000));
    });
  }

  it('opens a one-step model with a tiny decoder alone, without configs', async () => {
    // The layout of SDXS: a float32 timestep a row, a decoder from "latent" to "image", which counts from 0 to 1.
    await cp(join(REFERENCE_MODEL, 'text_encoder', 'model.onnx'), join(folder, 'text_encoder.onnx'));
    await writeFile(join(folder, 'unet.onnx'), tinyUnet({ timestepType: 'float32' }));
    await writeFile(join(folder, 'vae_decoder.onnx'), tinyAutoencoder(0, 1, { latent: 'latent', picture: 'image' }).decoder);
    const model = await Model.load({ model: folder });
    assert.deepEqual([model.vaeEncoder, model.vaeDecoder.range, model.info.vaeScaleFactor], [undefined, '0..1', 8]);
    const { data } = await model.vaeDecoder.decodePicture(Float32Array.of(0, 0.5, 1, 0), 1, 1);
    assert.deepEqual([...data.subarray(0, 3)], [0, 128, 255], 'unscaled, and as bright as it counts');
    await model.close();
  });

  it('takes the plain one of several variants, and the only file of a folder whatever its name', async () => {
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    await rename(join(folder, 'unet', 'model.onnx'), join(folder, 'unet', 'model_layernorm.onnx'));
    assert.equal((await found()).unet, 'unet/model_layernorm.onnx');
    await cp(join(folder, 'unet', 'model_layernorm.onnx'), join(folder, 'unet', 'model.onnx'));
    assert.equal((await found()).unet, 'unet/model.onnx');
    await rm(join(folder, 'unet'), { recursive: true });
    await flatten(folder, (net) => `${net}_fp16.onnx`);
    await flatten(folder, (net) => `${net}.onnx`);
    assert.equal((await found()).unet, 'unet.onnx');
  });

  it('counts weights in files of any name, but not other nets', async () => {
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    const before = (await findFiles(folder)).nets.unet?.bytes ?? 0;
    for (const name of ['model.onnx_data', 'weights.pb', 'other.onnx', 'notes.json'])
      await writeFile(join(folder, 'unet', name), Buffer.alloc(1000));
    assert.equal((await findFiles(folder)).nets.unet?.bytes, before + 2000);
  });

  it('follows links to weights that lie elsewhere', async function () {
    if (process.platform === 'win32') return this.skip();
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    const decoder = onnxModel({
      inputs: [value('latent_sample', 'float32', ['b', 4, 'h', 'w'])],
      outputs: [value('sample', 'float32', ['b', 3, 'height', 'width'])],
      weights: [externalWeight('w', [4, 3, 8, 8], 'model.onnx_data')],
      nodes: [node('ConvTranspose', ['latent_sample', 'w'], 'sample', { strides: [8, 8] })],
    });
    await writeFile(join(folder, 'vae_decoder', 'model.onnx'), decoder);
    await mkdir(join(folder, 'other disk'));
    await writeFile(join(folder, 'other disk', 'weights'), new Float32Array(4 * 3 * 64).fill(0.25));
    await symlink(join(folder, 'other disk', 'weights'), join(folder, 'vae_decoder', 'model.onnx_data'));
    const model = await Model.load({ model: folder });
    const { data } = await model.vaeDecoder.decodePicture(Float32Array.of(1, 0, 1, 1), 1, 1);
    assert.deepEqual(data, new Uint8Array(3 * 64).fill(0.75 * 127.5 + 128));
    await model.close();
  });

  it('prefers a tiny autoencoder that lies beside, with a scale of its own', async () => {
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    const full = { _class_name: 'AutoencoderKL', scaling_factor: 0.18215, latent_channels: 4, block_out_channels: [1, 1, 1, 1] };
    for (const net of ['vae_encoder', 'vae_decoder']) await writeFile(join(folder, net, 'config.json'), JSON.stringify(full));
    const { encoder, decoder } = tinyAutoencoder(-1, 1);
    await mkdir(join(folder, 'taesd'));
    await writeFile(join(folder, 'taesd', 'taesd-encoder.onnx'), encoder);
    await mkdir(join(folder, 'taesd', 'vae_decoder'));
    await writeFile(join(folder, 'taesd', 'vae_decoder', 'model.onnx'), decoder);
    const { unet, vae_encoder: e, vae_decoder: d } = await found();
    assert.deepEqual([unet, e, d], ['unet/model.onnx', 'taesd/taesd-encoder.onnx', 'taesd/vae_decoder/model.onnx']);
    const model = await Model.load({ model: folder });
    const latent = await model.vaeEncoder?.encodePicture({ data: new Uint8Array(3 * 64).fill(255), width: 8, height: 8, channels: 3 });
    assert.deepEqual(latent, Float32Array.of(1, 1, 1, 0), 'scale 1, not that of the full one');
    await model.close();
  });

  it('takes the autoencoder of another folder where that is chosen, with its own scale, and leaves the model as it is', async () => {
    const full = { _class_name: 'AutoencoderKL', scaling_factor: 0.18215, latent_channels: 4, block_out_channels: [1, 1, 1, 1] };
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    for (const net of ['vae_encoder', 'vae_decoder']) await writeFile(join(folder, net, 'config.json'), JSON.stringify(full));
    const other = await mkdtemp(join(tmpdir(), 'autoencoder-'));
    try {
      const { encoder, decoder } = tinyAutoencoder(-1, 1);
      for (const [net, content] of Object.entries({ vae_encoder: encoder, vae_decoder: decoder })) {
        await mkdir(join(other, net));
        await writeFile(join(other, net, 'model.onnx'), content);
      }
      const model = await Model.load({ model: folder, autoencoder: other });
      const white = { data: new Uint8Array(3 * 64).fill(255), width: 8, height: 8, channels: 3 as const };
      assert.deepEqual(await model.vaeEncoder?.encodePicture(white), Float32Array.of(1, 1, 1, 0));
      await model.close();
      const { usable, nets } = await inspectModel(folder, {}, other);
      assert.ok(usable);
      assert.equal(nets.find(({ name }) => name === 'vae_decoder')?.file, join(other, 'vae_decoder', 'model.onnx'));

      await rm(join(other, 'vae_encoder'), { recursive: true });
      const half = await Model.load({ model: folder, autoencoder: other });
      const { data } = await half.vaeDecoder.decodePicture(Float32Array.of(1, 1, 1, 0), 1, 1);
      assert.ok(
        data.every((byte) => byte === 255),
        'a decoder alone keeps its own scale as well',
      );
      await half.close();
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it('says why an autoencoder does not fit the model', async () => {
    const config = (more: object): string =>
      JSON.stringify({
        _class_name: 'AutoencoderKL',
        scaling_factor: 0.18215,
        latent_channels: 4,
        block_out_channels: [1, 1, 1, 1],
        ...more,
      });
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    await writeFile(join(folder, 'vae_decoder', 'config.json'), config({}));
    const other = await mkdtemp(join(tmpdir(), 'autoencoder-'));
    const { decoder } = tinyAutoencoder(-1, 1);
    const wrong: [config: object, message: RegExp][] = [
      [{ latent_channels: 16 }, /latents of 16 channels, but the unet takes 4/],
      [{ block_out_channels: [1, 1, 1, 1, 1] }, /16 times smaller than pictures, the model's own 8 times/],
      [{ scaling_factor: 0.13025 }, /scales latents by 0.13025, the model's own by 0.18215/],
    ];
    try {
      await assert.rejects(Model.load({ model: folder, autoencoder: other }), { code: 'ENOMODEL', message: /has no autoencoder/ });
      await assert.rejects(Model.load({ model: folder, autoencoder: join(other, 'nowhere') }), {
        code: 'ENOMODEL',
        message: /no folder at/,
      });
      await mkdir(join(other, 'vae_decoder'));
      await writeFile(join(other, 'vae_decoder', 'model.onnx'), decoder);
      for (const [more, message] of wrong) {
        await writeFile(join(other, 'vae_decoder', 'config.json'), config(more));
        await assert.rejects(Model.load({ model: folder, autoencoder: other }), { code: 'EBADMODEL', message });
        assert.match((await inspectModel(folder, {}, other)).problems.join(), message);
      }
      await writeFile(join(other, 'vae_decoder', 'config.json'), config({ _class_name: 'AutoencoderTiny', scaling_factor: 1 }));
      await (await Model.load({ model: folder, autoencoder: other })).close();
      const wide = {
        input: value('latent_sample', 'float32', ['b', 16, 'h', 'w']),
        output: value('sample', 'float32', ['b', 3, 'H', 'W']),
      };
      await writeFile(join(other, 'vae_decoder', 'model.onnx'), onnxModel({ inputs: [wide.input], outputs: [wide.output], nodes: [] }));
      await assert.rejects(Model.load({ model: folder, autoencoder: other }), { code: 'EBADMODEL', message: /latents of 16 channels/ });
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it('lets a tiny decoder stand beside a full encoder', async () => {
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    await writeFile(
      join(folder, 'vae_encoder', 'config.json'),
      JSON.stringify({ _class_name: 'AutoencoderKL', latent_channels: 4, block_out_channels: [1, 1, 1, 1] }),
    );
    const model = await Model.load({ model: folder });
    const plain = await Model.load({ model: REFERENCE_MODEL });
    const pixels = new Float32Array(3 * 64).fill(0.5);
    const [scaled, unscaled] = [await model.vaeEncoder?.encode(pixels, 8, 8), await plain.vaeEncoder?.encode(pixels, 8, 8)];
    assert.ok(scaled && unscaled);
    scaled.forEach((z, i) => assert.ok(Math.abs(z - unscaled[i] * 0.18215) < 1e-6));
    const zero = new Float32Array(4);
    assert.deepEqual(await model.vaeDecoder.decode(zero, 1, 1), await plain.vaeDecoder.decode(zero, 1, 1));
    await Promise.all([model.close(), plain.close()]);
  });

  it('finds schedule and tokenizer at the top as well', async () => {
    await flatten(folder, (net) => `${net}.onnx`);
    await writeFile(join(folder, 'scheduler_config.json'), JSON.stringify({ prediction_type: 'v_prediction' }));
    await cp(join(ROOT, 'models/starter/tokenizer'), folder, { recursive: true });
    const report = await inspectModel(folder);
    assert.deepEqual([report.info?.predictionType, report.hasTokenizer], ['v_prediction', true], basename(folder));
  });

  it('opens a model with two text encoders, and says when the second is missing', async () => {
    await cp(REFERENCE_MODEL, folder, { recursive: true });
    await rm(join(folder, 'unet', 'config.json'));
    await writeFile(join(folder, 'unet', 'model.onnx'), tinyUnet({ extraInputs: { text_embeds: 12, time_ids: 6 } }));
    await writeFile(join(folder, 'text_encoder', 'model.onnx'), tinyTextEncoder(20));
    await assert.rejects(Model.load({ model: folder }), { code: 'ENOMODEL', message: /text_encoder_2.model\.onnx/ });
    assert.ok((await inspectModel(folder)).problems.some((problem) => problem.includes('text_encoder_2')));
    await mkdir(join(folder, 'text_encoder_2'));
    await writeFile(join(folder, 'text_encoder_2', 'model.onnx'), tinyTextEncoder(12));
    await writeFile(join(folder, 'text_encoder_2', 'config.json'), JSON.stringify({ max_position_embeddings: 77 }));
    const model = await Model.load({ model: folder });
    const { tokens, width, hiddenStates, pooled } = await model.textEncoder.encodeTokens(new Array<number>(77).fill(5));
    assert.deepEqual([tokens, width], [77, 32]);
    // The last layer but one, ids times 3, of both; the mean of the last layer, ids times 4, of the second.
    assert.ok(hiddenStates.every((value) => value === 15));
    assert.deepEqual(pooled, new Float32Array(12).fill(20));
    const [[first]] = await model.unet.predict([
      { sample: new Float32Array(16), shape: { height: 2, width: 2 }, timestep: 1, conditioning: model.textEncoder.blank() },
    ]);
    assert.ok(Math.abs(first - 64 / 6) < 1e-5);
    await model.close();
  });
});
