import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFiles } from '../../engine/model/files';
import { readHeaders } from '../../engine/model/headers';
import { Model } from '../../engine/model/model';
import { field, message } from '../../engine/net/onnx/protobuf';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { problemsOf } from '../lib/model-problems';
import { externalWeight, node, onnxModel, value } from '../lib/onnx-maker';
import { REFERENCE_MODEL } from '../lib/reference';
import { PATIENCE } from '../lib/until';

/** 8×, with its weights in another file; `more` are further nodes. */
function decoder(location: string, more: Buffer[] = []): Buffer {
  return onnxModel({
    inputs: [value('latent_sample', 'float32', ['b', 4, 'h', 'w'])],
    outputs: [value('sample', 'float32', ['b', 3, 'height', 'width'])],
    weights: [externalWeight('w', [4, 3, 8, 8], location)],
    nodes: [node('ConvTranspose', ['latent_sample', 'w'], 'sample', { strides: [8, 8] }), ...more],
  });
}

/** A Constant whose values lie in another file. NodeProto { attribute 5 { name 1, t 5, type 20: TENSOR 4 } }. */
function constantFrom(location: string, dims = [1]): Buffer {
  const attribute = message(field(1, 'value'), field(5, externalWeight('', dims, location)), field(20, 4));
  return message(field(2, 'stolen'), field(4, 'Constant'), field(5, attribute));
}

const values = Buffer.from(new Float32Array(4 * 3 * 64).fill(0.25).buffer);

describe('model folders that somebody else has made', function () {
  this.timeout(3 * PATIENCE);
  let outside: string;
  before(async () => {
    outside = await realpath(await mkdtemp(join(tmpdir(), 'outside-')));
    await writeFile(join(outside, 'secret'), values);
  });
  after(async () => {
    await removeModelFolders();
    await rm(outside, { recursive: true });
  });

  describe('reach nothing outside', () => {
    const links: [string, string, (folder: string) => Promise<void>][] = [
      ['a file of weights', 'model.onnx_data', (folder) => symlink(join(outside, 'secret'), join(folder, 'vae_decoder/model.onnx_data'))],
      [
        'a folder on the way to it',
        'deep/model.onnx_data',
        async (folder) => {
          await cp(join(outside, 'secret'), join(outside, 'model.onnx_data'));
          await symlink(outside, join(folder, 'vae_decoder/deep'));
        },
      ],
      [
        'a link to a link',
        'model.onnx_data',
        async (folder) => {
          await symlink(join(outside, 'secret'), join(folder, 'first'));
          await symlink('../first', join(folder, 'vae_decoder/model.onnx_data'));
        },
      ],
      ['a file of the system', 'model.onnx_data', (folder) => symlink('/etc/hostname', join(folder, 'vae_decoder/model.onnx_data'))],
    ];
    for (const [what, location, link] of links) {
      it(`by ${what}`, async () => {
        const folder = await changedModel({ 'vae_decoder/model.onnx': decoder(location) });
        await link(folder);
        assert.match(
          await problemsOf(folder),
          /vae_decoder.*model\.onnx_data is a link that leads out of the model's folder.*STREAMDIFFUSION_MODEL_LINKS/,
        );
      });
    }

    it('by nets, configs, tokenizers, schedules, or their folders', async () => {
      await cp(REFERENCE_MODEL, join(outside, 'model'), { recursive: true });
      for (const path of ['unet/model.onnx', 'unet/config.json', 'scheduler/scheduler_config.json', 'unet', 'scheduler']) {
        const folder = await changedModel({ [path]: null });
        await symlink(join(outside, 'model', path), join(folder, path));
        assert.match(await problemsOf(folder), /is a link that leads out/, path);
      }
      for (const name of ['tokenizer.json', 'vocab.json', 'merges.txt', 'special_tokens_map.json']) {
        const folder = await changedModel({ 'tokenizer/x': '' });
        await symlink(join(outside, 'secret'), join(folder, 'tokenizer', name));
        assert.match(await problemsOf(folder), new RegExp(`tokenizer.${name.replace('.', '\\.')} is a link that leads out`), name);
      }
    });

    it('by Constants, also where a link makes the root the common folder of all', async () => {
      const folder = await changedModel({
        'vae_decoder/model.onnx': decoder('model.onnx_data', [constantFrom('etc/hostname')]),
        'vae_decoder/etc/hostname': 'abcd',
      });
      await symlink(join(outside, 'secret'), join(folder, 'vae_decoder/model.onnx_data'));
      assert.match(await problemsOf(folder), /leads out/);
      for (const location of ['../../../../../../etc/hostname', '/etc/hostname', 'a/../../b', '..\\..\\x', 'C:\\x', '', 'a\nb']) {
        for (const net of [decoder('model.onnx_data', [constantFrom(location)]), decoder(location)]) {
          const other = await changedModel({ 'vae_decoder/model.onnx': net, 'vae_decoder/model.onnx_data': values });
          assert.match(await problemsOf(other), /weights from outside its folder/, JSON.stringify(location));
        }
      }
    });

    it('by branches, functions, or what is sparse', async () => {
      const location = '../../secret';
      const graph = message(field(5, externalWeight('', [1], location)));
      const branch = message(field(2, 'z'), field(4, 'If'), field(5, message(field(1, 'then_branch'), field(6, graph), field(20, 5))));
      const whole = decoder('model.onnx_data');
      const nets = [
        decoder('model.onnx_data', [branch]),
        message(whole, field(25, message(field(1, 'f'), field(7, constantFrom(location))))),
        message(whole, field(20, field(1, graph))),
        onnxModel({ inputs: [], outputs: [], nodes: [], weights: [] }).subarray(0, 0),
      ];
      nets[3] = message(field(1, 8), field(7, message(field(15, field(1, externalWeight('', [1], location))))));
      for (const net of nets) {
        const folder = await changedModel({ 'vae_decoder/model.onnx': net, 'vae_decoder/model.onnx_data': values });
        assert.match(await problemsOf(folder), /weights from outside its folder/);
      }
    });
  });

  describe('may be links', () => {
    const opens = async (folder: string): Promise<void> => {
      assert.equal(await problemsOf(folder), '');
      const model = await Model.load({ model: folder, intraOpNumThreads: 1 });
      const { data } = await model.vaeDecoder.decodePicture(Float32Array.of(1, 0, 1, 1), 1, 1);
      assert.deepEqual(data, new Uint8Array(3 * 64).fill(0.75 * 127.5 + 128));
      await model.close();
    };

    it('into the cache of Hugging Face, as its own tools make them', async () => {
      const original = await changedModel({
        'vae_decoder/model.onnx': decoder('model.onnx_data', [constantFrom('model.onnx_data')]),
        'vae_decoder/model.onnx_data': values,
      });
      const repository = join(await realpath(await mkdtemp(join(tmpdir(), 'cache-'))), 'models--owner--name');
      const snapshot = join(repository, 'snapshots', 'a'.repeat(40));
      await mkdir(join(repository, 'blobs'), { recursive: true });
      let count = 0;
      for (const net of ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder']) {
        await mkdir(join(snapshot, net), { recursive: true });
        for (const file of ['model.onnx', 'config.json', 'model.onnx_data']) {
          if (!existsSync(join(original, net, file))) continue;
          const blob = (++count).toString(16).padStart(64, '0');
          await rename(join(original, net, file), join(repository, 'blobs', blob));
          await symlink(join('../../../blobs', blob), join(snapshot, net, file));
        }
      }
      await opens(snapshot);
      // Older tools put folders with links into the cache elsewhere.
      const local = await changedModel({ vae_decoder: null });
      await symlink(join(snapshot, 'vae_decoder'), join(local, 'vae_decoder'));
      await opens(local);
      // Another name of the whole folder is not a link inside of it.
      await symlink(snapshot, join(outside, 'other name'));
      await opens(join(outside, 'other name'));
      await rm(join(repository, '..'), { recursive: true });
    });

    it('within the folder, and to what STREAMDIFFUSION_MODEL_LINKS names', async () => {
      const folder = await changedModel({
        'vae_decoder/model.onnx': decoder('model.onnx_data', [constantFrom('model.onnx_data')]),
        'weights/w': values,
      });
      await symlink('../weights/w', join(folder, 'vae_decoder/model.onnx_data'));
      await opens(folder);
      await rm(join(folder, 'vae_decoder/model.onnx_data'));
      await symlink(join(outside, 'secret'), join(folder, 'vae_decoder/model.onnx_data'));
      process.env.STREAMDIFFUSION_MODEL_LINKS = `/nowhere:${outside}`;
      try {
        await opens(folder);
      } finally {
        delete process.env.STREAMDIFFUSION_MODEL_LINKS;
      }
      assert.match(await problemsOf(folder), /leads out/);
    });
  });

  it('have their weights counted as they are', async () => {
    const folder = await changedModel({ 'vae_decoder/model.onnx': decoder('model.onnx_data'), 'vae_decoder/model.onnx_data': values });
    const files = await findFiles(folder);
    assert.equal(files.nets.vae_decoder?.bytes, (await stat(join(folder, 'vae_decoder/model.onnx'))).size + values.length);
    assert.deepEqual(Object.keys(await readHeaders(files)).sort(), ['text_encoder', 'unet', 'vae_decoder', 'vae_encoder']);
  });
});
