import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFiles, modelFolder } from '../../engine/model/files';
import { fingerprintOf } from '../../engine/model/fingerprint';
import { int8Name } from '../../engine/net/onnx/patches/int8';
import { inInt8 } from '../../engine/net/onnx/patches/int8';
import type { Tensor } from '../../engine/net/net';
import { readOnnxGraph } from '../../engine/net/onnx/graph';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { tinyUnet } from '../lib/onnx-maker';
import { Program } from '../lib/program';
import { REFERENCE_MODEL } from '../lib/reference';
import { PATIENCE } from '../lib/until';

describe('streamdiffusion models repository', function () {
  this.timeout(2 * PATIENCE);
  let folder: string;
  const write = (...args: string[]) => Program.run(['models', 'repository', ...args, '--to', folder]);
  const config = (net: string): Promise<string> => readFile(join(folder, net, 'config.pbtxt'), 'utf8');
  const versions = (net: string): string[] =>
    readdirSync(join(folder, net))
      .filter((name) => /^\d+$/.test(name))
      .sort();

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'repository-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  after(() => removeModelFolders());

  it('writes all nets, with what Triton needs to know of them', async () => {
    const { code, stdout } = await write('starter', '--instances', '2', '--max-batch', '8', '--queue-delay', '500', '--threads', '3');
    assert.equal(code, 0);
    assert.match(stdout, /starter_unet {2}version 1\n[\s\S]*4 nets in .*tritonserver --model-repository=/);
    assert.deepEqual(readdirSync(folder).sort(), ['starter_text_encoder', 'starter_unet', 'starter_vae_decoder', 'starter_vae_encoder']);
    const unet = await config('starter_unet');
    for (const line of [
      'name: "starter_unet"',
      'backend: "onnxruntime"',
      'max_batch_size: 8',
      'input [ { name: "sample" data_type: TYPE_FP32 dims: [ 16, -1, -1 ] } ]',
      'input [ { name: "timestep" data_type: TYPE_INT64 dims: [ 1 ] reshape: { shape: [ ] } } ]',
      'instance_group [ { count: 2 kind: KIND_GPU } ]',
      'dynamic_batching { max_queue_delay_microseconds: 500 }',
      'version_policy: { latest { num_versions: 1 } }',
      `parameters { key: "fingerprint" value: { string_value: "${await fingerprintOf('models/starter/unet/model.onnx')}-control" } }`,
      'input [ { name: "control/down_00" data_type: TYPE_FP32 dims: [ 128, -1, -1 ] } ]',
      'parameters { key: "intra_op_thread_count" value: { string_value: "3" } }',
      '  inputs { key: "sample" value: { data_type: TYPE_FP32 dims: [ 16, 16, 16 ] zero_data: true } }',
    ])
      assert.ok(unet.split('\n').includes(line), `${line}\nnot in\n${unet}`);
    assert.match(await config('starter_vae_encoder'), /dims: \[ 3, 256, 256 \] zero_data/);
    const net = await OnnxNet.load(join(folder, 'starter_unet/1/model.onnx'), { executionProvider: 'cpu' });
    await net.close();
  });

  it('writes a further version when the weights are others, and none when they are not', async () => {
    const model = await changedModel({});
    await write(model, '--nets', 'unet', '--prefix', 'hall');
    assert.match((await write(model, '--nets', 'unet', '--prefix', 'hall', '--max-batch', '4')).stdout, /version 1, there already/);
    assert.match(await config('hall_unet'), /max_batch_size: 4/);
    const other = await changedModel({ 'unet/model.onnx': tinyUnet() });
    assert.match((await write(other, '--nets', 'unet', '--prefix', 'hall')).stdout, /hall_unet {2}version 2\n/);
    assert.deepEqual(versions('hall_unet'), ['1', '2']);
    assert.deepEqual(
      readdirSync(join(folder, 'hall_unet')).filter((name) => name.startsWith('.')),
      [],
      'nothing half-written',
    );
  });

  it('in int8 as the engine computes it, where an int8.json says how', async () => {
    // Without its ControlNet, for which the net would have further inputs.
    const model = await changedModel({ controlnet: null }, modelFolder('starter'));
    const cpu = ['--prefix', 'starter', '--nets', 'unet,text_encoder', '--device', 'cpu'];
    assert.match((await write(model, ...cpu)).stdout, /starter_unet {2}version 1\n *note: --int8 makes it/);
    const { stdout } = await write(model, ...cpu, '--int8', '--weight-bits', '8');
    assert.match(
      stdout,
      /starter_unet {2}version 2\n *note: in int8\nstarter_text_encoder {2}version 1, there already\n *note: it has no int8\.json, so it stays as it is\n/,
    );
    const { unet } = (await findFiles(model)).nets;
    assert.ok(unet?.ranges);
    assert.ok((await config('starter_unet')).includes(`"${await fingerprintOf(unet.path)}-${int8Name(unet.ranges)}"`));
    const settings = { executionProvider: 'cpu', intraOpNumThreads: 1 };
    const here = await OnnxNet.load(inInt8(await readOnnxGraph(unet.path), unet.ranges)!, settings);
    const written = await OnnxNet.load(join(folder, 'starter_unet/2/model.onnx'), settings);
    const tensor = (dims: number[]): Tensor => ({
      type: 'float32',
      dims,
      data: Float32Array.from({ length: dims.reduce((product, size) => product * size) }, (_, k) => Math.sin(k)),
    });
    const feeds = {
      sample: tensor([1, 16, 16, 16]),
      timestep: { type: 'int64' as const, data: BigInt64Array.of(500n), dims: [1] },
      encoder_hidden_states: tensor([1, 24, 128]),
    };
    assert.deepEqual(await written.run(feeds), await here.run(feeds));
    await Promise.all([here.close(), written.close()]);
    assert.match((await write(model, ...cpu, '--int8')).stdout, /starter_unet {2}version 2, there already/);
    assert.match((await write(model, ...cpu, '--int8', '--weight-bits', '7')).stdout, /starter_unet {2}version 3\n *note: in int8/);
    assert.ok((await config('starter_unet')).includes(`"${await fingerprintOf(unet.path)}-${int8Name(unet.ranges, 7)}"`));
  });

  it('makes a UNet with a single timestep one that takes a timestep a row, as the engine does', async () => {
    const model = await changedModel({ 'unet/model.onnx': tinyUnet({ timestepShape: [], expand: true }) });
    await write(model, '--nets', 'unet', '--prefix', 'one');
    assert.match(await config('one_unet'), /name: "timestep" data_type: TYPE_INT64 dims: \[ 1 \] reshape/);
    const net = await OnnxNet.load(join(folder, 'one_unet/1/model.onnx'), { executionProvider: 'cpu' });
    assert.deepEqual(
      net.inputs.map(({ shape }) => shape.length),
      [4, 1, 3],
    );
    await net.close();
  });

  it('writes a script that makes TensorRT plans, with the sizes that are wanted', async () => {
    const { stdout } = await write(
      REFERENCE_MODEL,
      '--nets',
      'unet',
      '--prefix',
      'rt',
      '--backend',
      'tensorrt',
      '--size',
      '512x256',
      '--max-batch',
      '8',
    );
    assert.match(stdout, /make-plans\.sh on the machine with the GPU, then tritonserver/);
    assert.match(await config('rt_unet'), /platform: "tensorrt_plan"/);
    const script = await readFile(join(folder, 'make-plans.sh'), 'utf8');
    assert.match(script, /trtexec --onnx='rt_unet\/onnx\/model\.onnx' --saveEngine='rt_unet\/1\/model\.plan' --fp16/);
    assert.match(script, /--maxShapes=sample:8x4x32x64,timestep:8,encoder_hidden_states:8x77x32/);
    assert.ok((await stat(join(folder, 'make-plans.sh'))).mode & 0o100);
    assert.ok(existsSync(join(folder, 'rt_unet/onnx/model.onnx')) && existsSync(join(folder, 'rt_unet/1')));
  });

  it('says what is wrong with the call or the model', async () => {
    const wrong: [string[], RegExp, number][] = [
      [['starter', '--nets', 'vae'], /--nets are some of .*got "vae"/, 2],
      [['starter', '--backend', 'torch'], /--backend must be one of/, 2],
      [['starter', '--instances', '0'], /--instances must be a whole number from 1/, 2],
      [['starter', '--size', 'big'], /--size must be two numbers/, 2],
      [['starter', '--prefix', 'a/b'], /--prefix/, 2],
      [['starter', '--int8'], /--int8 is for processors: it goes with --device cpu/, 2],
      [['starter', '--int8', '--device', 'cpu', '--nets', 'text_encoder'], /none of these nets has an int8\.json/, 1],
      [['/nowhere'], /no model folder at \/nowhere/, 1],
      [['starter', '--nets', 'text_encoder_2'], /has no text_encoder_2/, 1],
    ];
    for (const [args, says, code] of wrong) {
      const result = await write(...args);
      assert.equal(result.code, code, args.join(' '));
      assert.match(result.stderr, says);
    }
    assert.equal((await Program.run(['models', 'repository', 'starter'])).code, 2);
  });
});
