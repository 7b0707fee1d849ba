import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, open, readFile, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { inspectModel } from '../../engine/model/folder';
import { findFiles } from '../../engine/model/files';
import { readHeaders } from '../../engine/model/headers';
import { Model } from '../../engine/model/model';
import { field, message } from '../../engine/net/onnx/protobuf';
import { fuzzModels } from '../lib/fuzz-models';
import { externalWeight, node, onnxModel, tinyUnet, value } from '../lib/onnx-maker';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { Program } from '../lib/program';
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

async function problemsOf(folder: string): Promise<string> {
  const { usable, problems } = await inspectModel(folder);
  const [listed, opened] = [
    problems.join('\n'),
    await Model.load({ model: folder, intraOpNumThreads: 1 }).then(
      (model) => model.close().then(() => ''),
      (thrown: Error & { code: string }) => `${thrown.code} ${thrown.message}`,
    ),
  ];
  if (usable) assert.equal(opened, '');
  else assert.match(opened, /^EBADMODEL/, 'what the check refuses is not opened');
  return listed;
}

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

  describe('are read within bounds', () => {
    const MEGABYTE = 2 ** 20;
    /** What the check of a folder says in a process of its own, and the memory (bytes) and processor time (ms) that it takes there. Throws where it does not end. */
    function check(folder: string): { peak: number; says: string; ms: number } {
      const takes = 'peak: process.resourceUsage().maxRSS * 1024, ms: (process.cpuUsage().user + process.cpuUsage().system) / 1000';
      const script = `require(${JSON.stringify(require.resolve('../../engine/model/folder'))}).inspectModel(process.argv[1]).then((r) => console.log(JSON.stringify({ says: r.problems.join(), ${takes} })))`;
      return JSON.parse(execFileSync(process.execPath, ['-e', script, folder], { encoding: 'utf8', timeout: PATIENCE })) as ReturnType<
        typeof check
      >;
    }

    it('where a file is mostly a hole, or a name has gigabytes', async () => {
      const plain = check(REFERENCE_MODEL);
      const long = 1_900_000_000;
      const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))]);
      const head = (...path: number[]): Buffer =>
        path.reduceRight(
          (inner, number) =>
            Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(inner.length ? inner.length + long : long)]), inner]),
          Buffer.alloc(0),
        );
      const beginnings: [string, Buffer][] = [
        ['nothing at all', Buffer.alloc(0)],
        ['the name of an input', head(7, 11, 1)],
        ['the operator of a node', head(7, 1, 4)],
        ['the name of a weight', head(7, 5, 8)],
        ['the place of a weight', head(7, 5, 13, 2)],
        ['a dimension', head(7, 11, 2, 1, 2, 1, 2)],
        ['a node', head(7, 1)],
        ['an attribute', head(7, 1, 5)],
        ['very many fields', Buffer.from([8, 8])],
      ];
      for (const [what, beginning] of beginnings) {
        const folder = await changedModel({});
        const file = await open(join(folder, 'unet/model.onnx'), 'w');
        await file.write(beginning);
        await file.truncate(beginning.length + long);
        await file.close();
        const { peak, says, ms } = check(folder);
        assert.match(says, /unet.model\.onnx is torn, damaged/, what);
        assert.ok(peak - plain.peak < 300 * MEGABYTE, `${what}: ${peak / MEGABYTE} MB of ${plain.peak / MEGABYTE}`);
        if (ms < 3 * plain.ms) continue;
        // A processor that others use as well is slower, so both are looked at once more, one after the other.
        const [again, sound] = [check(folder).ms, check(REFERENCE_MODEL).ms];
        assert.ok(again < 3 * sound, `${what}: ${again} ms of a processor, and ${sound} ms for a sound model`);
      }
      for (const name of [
        'unet/config.json',
        'unet/int8.json',
        'tokenizer/tokenizer.json',
        'tokenizer/merges.txt',
        'scheduler/scheduler_config.json',
      ]) {
        const folder = await changedModel({ [name]: '{' });
        const file = await open(join(folder, name), 'r+');
        await file.truncate(long);
        await file.close();
        const { peak, says } = check(folder);
        if (!name.includes('merges')) assert.match(says, /1900000000 bytes, of at most/, name);
        assert.ok(peak - plain.peak < 300 * MEGABYTE, `${name}: ${peak / MEGABYTE} MB`);
      }
    });

    it('where a pipe that nobody writes to stands in the place of a file', async () => {
      for (const name of ['unet/model.onnx', 'unet/config.json', 'tokenizer/tokenizer.json', 'scheduler/scheduler_config.json']) {
        const folder = await changedModel({ [name]: '' });
        await rm(join(folder, name));
        execFileSync('mkfifo', [join(folder, name)]);
        assert.match(check(folder).says, /is not a regular file/, name);
      }
    });

    it('where configs say what cannot be', async () => {
      const scheduler = 'scheduler/scheduler_config.json';
      const wrong: [string, object, RegExp][] = [
        ...[-5, 0, 1, 1.5, 1e9, '1000', [], {}, true].map((steps): [string, object, RegExp] => [
          scheduler,
          { num_train_timesteps: steps },
          /"num_train_timesteps"/,
        ]),
        ...[0, -1, 1001, 2.5, 1e9].map((steps): [string, object, RegExp] => [
          scheduler,
          { num_train_timesteps: 1000, original_inference_steps: steps },
          /"original_inference_steps"/,
        ]),
        ...[-1, 2, 1e300].map((beta): [string, object, RegExp] => [scheduler, { beta_end: beta }, /"beta_end"/]),
        [scheduler, { timestep_scaling: 0 }, /"timestep_scaling"/],
        [scheduler, { prediction_type: 'x'.repeat(100_000) }, /"prediction_type": "x{39}…"/],
        ['vae_decoder/config.json', { block_out_channels: new Array(2000).fill(1) }, /lists 2000 blocks/],
        ['vae_decoder/config.json', { latent_channels: 1e9 }, /"latent_channels"/],
        ['vae_decoder/config.json', { scaling_factor: 0 }, /"scaling_factor"/],
      ];
      for (const [file, config, says] of wrong) {
        const original = JSON.parse(await readFile(join(REFERENCE_MODEL, file), 'utf8')) as object;
        const problems = await problemsOf(await changedModel({ [file]: { ...original, ...config } }));
        assert.match(problems, says, JSON.stringify(config).slice(0, 80));
        assert.ok(problems.length < 400, problems);
      }
      const folder = await changedModel({ [scheduler]: { num_train_timesteps: 10 } });
      assert.equal(await problemsOf(folder), '', 'a short schedule is one');
    });

    it('and no error quotes a file that was not meant to be read', async () => {
      for (const content of [
        'password=hunter2',
        '"hunter2"',
        '["hunter2"]',
        '{"num_train_timesteps": "hunter2 and more: $$"}',
        '{"a": hunter2}',
      ]) {
        const problems = await problemsOf(await changedModel({ 'scheduler/scheduler_config.json': content }));
        assert.match(problems, /scheduler_config\.json is not a JSON object|num_train_timesteps/);
        assert.ok(!problems.includes('hunter2'), problems);
      }
    });
  });

  describe('call their inputs and outputs as exporters do', () => {
    const strange = [
      '`touch pwned`',
      '$(touch pwned)',
      "x';touch pwned;'",
      'a b',
      'a"b',
      'a\nb',
      '',
      'x'.repeat(300),
      '<b>',
      'é',
      '\u001b[31m',
    ];

    it('or are refused, in one line of bounded length', async () => {
      for (const name of strange) {
        const unet = onnxModel({
          inputs: [
            value(name, 'float32', ['b', 4, 'h', 'w']),
            value('timestep', 'int64', ['b']),
            value('encoder_hidden_states', 'float32', ['b', 77, 32]),
          ],
          outputs: [value('out_sample', 'float32', ['b', 4, 'h', 'w'])],
          nodes: [node('Identity', [name], 'out_sample')],
        });
        const problems = await problemsOf(await changedModel({ 'unet/model.onnx': unet }));
        assert.match(problems, /calls an input or output ".*names are letters, digits/, JSON.stringify(name));
        assert.ok(!/[\p{Cc}]/u.test(problems) && problems.length < 400, JSON.stringify(problems));
      }
      const usual = await changedModel({ 'unet/model.onnx': tinyUnet({ outputName: 'StatefulPartitionedCall:0/out-put.1' }) });
      assert.equal(await problemsOf(usual), '');
    });

    it('and nothing of them is run by the script that makes TensorRT plans', async () => {
      const to = await mkdtemp(join(tmpdir(), 'plans-'));
      const evil = await changedModel({ 'unet/model.onnx': tinyUnet({ extraInputs: { '`touch pwned`': 4 } }) });
      const refused = await Program.run([
        'models',
        'repository',
        evil,
        '--to',
        to,
        '--nets',
        'unet',
        '--backend',
        'tensorrt',
        '--prefix',
        'm',
      ]);
      assert.equal(refused.code, 1);
      assert.ok(!existsSync(join(to, 'make-plans.sh')));
      // Whatever a name may hold, a shell passes it on as it is; `echo` stands for the program.
      const good = await changedModel({ 'unet/model.onnx': tinyUnet() });
      assert.equal(
        (await Program.run(['models', 'repository', good, '--to', to, '--nets', 'unet', '--backend', 'tensorrt', '--prefix', 'm'])).code,
        0,
      );
      await writeFile(join(to, 'trtexec'), '#!/bin/sh\nfor each in "$@"; do echo "<$each>"; done\n', { mode: 0o755 });
      const said = execFileSync('sh', [join(to, 'make-plans.sh')], { encoding: 'utf8', env: { PATH: `${to}:${process.env.PATH}` } });
      assert.deepEqual(said.split('\n').slice(2, 6), [
        '<--fp16>',
        '<--minShapes=sample:1x4x8x8,timestep:1,encoder_hidden_states:1x77x32>',
        '<--optShapes=sample:2x4x8x8,timestep:2,encoder_hidden_states:2x77x32>',
        '<--maxShapes=sample:16x4x8x8,timestep:16,encoder_hidden_states:16x77x32>',
      ]);
      assert.ok(!existsSync('pwned') && !existsSync(join(to, 'pwned')), basename(to));
      await rm(to, { recursive: true });
    });
  });

  it('have their weights counted as they are', async () => {
    const folder = await changedModel({ 'vae_decoder/model.onnx': decoder('model.onnx_data'), 'vae_decoder/model.onnx_data': values });
    const files = await findFiles(folder);
    assert.equal(files.nets.vae_decoder?.bytes, (await stat(join(folder, 'vae_decoder/model.onnx'))).size + values.length);
    assert.deepEqual(Object.keys(await readHeaders(files)).sort(), ['text_encoder', 'unet', 'vae_decoder', 'vae_encoder']);
  });
});

describe('model folders with damaged headers and configs', function () {
  this.timeout(120_000);

  it('are used or refused with a code, soon, and memory stays', async () => {
    const { usable, refused, faults, longestMs, memory } = await fuzzModels(300, 5);
    assert.deepEqual(faults, []);
    assert.ok(usable > 20 && refused > 100, `${usable} usable, ${refused} refused`);
    assert.ok(longestMs < 10_000, `${longestMs} ms`);
    assert.ok(memory.peak - memory.before < 150 * 2 ** 20, JSON.stringify(memory));
  });
});
