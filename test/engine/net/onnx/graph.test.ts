import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, mkdtemp, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import type { Tensor } from '../../../../engine/net/net';
import { withFixedSizes } from '../../../../engine/net/onnx/edit';
import { commonFolder, readOnnxGraph, writeOnnxGraph } from '../../../../engine/net/onnx/graph';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { randn } from '../../../../engine/diffusion/noise';
import { externalWeight, node, onnxModel, value, weight } from '../../../lib/onnx-maker';
import { relativeError, REFERENCE_MODEL } from '../../../lib/reference';

const cpu = { executionProvider: 'cpu' };

describe('the graph of an .onnx file', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'graph-'))));
  afterEach(async () => {
    await chmod(folder, 0o755);
    await rm(folder, { recursive: true });
  });

  const unetFeeds = (rows: number, size: number): Record<string, Tensor> => ({
    sample: { type: 'float32', data: randn([rows, 4, size, size], 1), dims: [rows, 4, size, size] },
    timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(999 - 300 * i)), dims: [rows] },
    encoder_hidden_states: { type: 'float32', data: randn([rows, 77, 32], 2), dims: [rows, 77, 32] },
  });

  it('computes what the file computes, without a copy of its weights', async () => {
    const path = join(REFERENCE_MODEL, 'unet', 'model.onnx');
    const graph = await readOnnxGraph(path);
    assert.ok(writeOnnxGraph(graph).length < (await stat(path)).size / 4);
    const [whole, edited] = [await OnnxNet.load(path, cpu), await OnnxNet.load(graph, cpu)];
    assert.deepEqual(edited.inputs, whole.inputs);
    const feeds = unetFeeds(2, 8);
    assert.deepEqual((await edited.run(feeds)).out_sample, (await whole.run(feeds)).out_sample);
    await Promise.all([whole.close(), edited.close()]);
  });

  it('is opened with numbers for its free sizes', async () => {
    const path = join(REFERENCE_MODEL, 'unet', 'model.onnx');
    const feeds = unetFeeds(3, 16);
    const sizes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
    const fixed = await OnnxNet.load(withFixedSizes(await readOnnxGraph(path), sizes), cpu);
    assert.deepEqual(Object.fromEntries(fixed.inputs.map(({ name, shape }) => [name, shape])), sizes);
    assert.deepEqual(fixed.outputs[0].shape, [3, 4, 16, 16]);
    const free = await OnnxNet.load(path, cpu);
    const [a, b] = [(await fixed.run(feeds)).out_sample, (await free.run(feeds)).out_sample];
    assert.ok(relativeError(a.data as Float32Array, b.data as Float32Array) < 1e-5);
    await assert.rejects(fixed.run(unetFeeds(3, 8)), { code: 'EBADMODEL' });
    await Promise.all([free.close(), fixed.close()]);
  });

  describe('with weights in other files', () => {
    const net = (location: string): Buffer =>
      onnxModel({
        inputs: [value('x', 'float32', [400])],
        outputs: [value('y', 'float32', [400])],
        weights: [externalWeight('v', [400], location), weight('w', [400], new Float32Array(400).fill(2))],
        nodes: [node('Mul', ['x', 'w'], 'xw'), node('Add', ['xw', 'v'], 'y')],
      });
    const v = Float32Array.from({ length: 400 }, (_, i) => i);
    const check = async (path: string): Promise<void> => {
      const opened = await OnnxNet.load(await readOnnxGraph(path), cpu);
      const { y } = await opened.run({ x: { type: 'float32', data: new Float32Array(400).fill(3), dims: [400] } });
      assert.deepEqual(
        y.data,
        v.map((value) => value + 6),
      );
      await opened.close();
    };

    it('finds them, in a folder that nobody may write to', async () => {
      await writeFile(join(folder, 'model.onnx'), net('weights/model.onnx_data'));
      await mkdir(join(folder, 'weights'));
      await writeFile(join(folder, 'weights', 'model.onnx_data'), v);
      await chmod(folder, 0o555);
      await check(join(folder, 'model.onnx'));
    });

    it('finds them behind the links of a download cache', async function () {
      if (process.platform === 'win32') return this.skip();
      await mkdir(join(folder, 'blobs'));
      await mkdir(join(folder, 'snapshot'));
      await writeFile(join(folder, 'blobs', 'aa11'), net('model.onnx_data'));
      await writeFile(join(folder, 'blobs', 'bb22'), v);
      await symlink('../blobs/aa11', join(folder, 'snapshot', 'model.onnx'));
      await symlink('../blobs/bb22', join(folder, 'snapshot', 'model.onnx_data'));
      await check(join(folder, 'snapshot', 'model.onnx'));
    });
  });

  it('knows the folder that holds several files', () => {
    const path = (...parts: string[]): string => join(parse(process.cwd()).root, ...parts);
    assert.equal(commonFolder([path('a', 'b', 'm')]), path('a', 'b'));
    assert.equal(commonFolder([path('a', 'b', 'm'), path('a', 'b', 'c', 'w')]), path('a', 'b'));
    assert.equal(commonFolder([path('a', 'b', 'm'), path('a', 'bc', 'w')]), path('a'));
    assert.equal(commonFolder([path('a', 'm'), path('b', 'w')]), path());
  });

  it('says which file is torn', async () => {
    const path = join(folder, 'model.onnx');
    await copyFile(join(REFERENCE_MODEL, 'vae_decoder', 'model.onnx'), path);
    const { size } = await stat(path);
    await truncate(path, Math.floor(size / 2));
    await assert.rejects(readOnnxGraph(path), { code: 'EBADMODEL', message: /model\.onnx is torn/ });
  });
});
