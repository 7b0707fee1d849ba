import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Model } from '../../../../engine/model/model';
import { FixedShapeNet, prefersFixedShapes } from '../../../../engine/net/ort/fixed-shape-net';
import type { LocalNet, Tensor } from '../../../../engine/net/net';
import { type OnnxGraph, readOnnxGraph } from '../../../../engine/net/onnx/graph';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { randn } from '../../../../engine/diffusion/noise';
import { tinyUnet } from '../../../lib/onnx-maker';
import { REFERENCE_MODEL, relativeError } from '../../../lib/reference';

describe('a net with fixed sizes', () => {
  let folder: string;
  let opened: { shape: (number | string)[]; isOpen: boolean }[];
  let net: FixedShapeNet;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'fixed-'))));
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    opened = [];
    await writeFile(join(folder, 'model.onnx'), tinyUnet());
    net = await FixedShapeNet.load(await readOnnxGraph(join(folder, 'model.onnx')), open);
  });
  afterEach(() => net.close());

  const open = async (graph: OnnxGraph): Promise<LocalNet> => {
    const session = await OnnxNet.load(graph, { executionProvider: 'cpu' });
    const entry = { shape: session.inputs[0].shape, isOpen: true };
    opened.push(entry);
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run: (feeds) => session.run(feeds),
      runPixels: (...args) => session.runPixels(...args),
      close: () => {
        entry.isOpen = false;
        return session.close();
      },
    };
  };
  const isOpen = (): (number | string)[][] => opened.filter((one) => one.isOpen).map(({ shape }) => shape);
  /** Row i of the answer is i + 1 everywhere. */
  const run = async (rows: number, height: number): Promise<void> => {
    const sample: Tensor = { type: 'float32', data: new Float32Array(rows * 4 * height * 2).fill(1), dims: [rows, 4, height, 2] };
    const timestep: Tensor = { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i + 1)), dims: [rows] };
    const encoder_hidden_states: Tensor = { type: 'float32', data: new Float32Array(rows * 32), dims: [rows, 1, 32] };
    const { out_sample } = await net.run({ sample, timestep, encoder_hidden_states });
    assert.deepEqual(out_sample.dims, sample.dims);
    assert.deepEqual(
      out_sample.data,
      Float32Array.from({ length: rows * 8 * height }, (_, k) => Math.floor(k / (8 * height)) + 1),
    );
  };

  it('is opened for the size and the rows that it meets, in the place of the free one', async () => {
    assert.deepEqual(isOpen(), [['batch', 4, 'height', 'width']]);
    await run(2, 4);
    assert.deepEqual(isOpen(), [[2, 4, 4, 2]]);
  });

  it('fills fewer rows up instead of being opened again, and is opened for more', async () => {
    await run(2, 4);
    await run(1, 4);
    await run(2, 4);
    assert.equal(opened.length, 2);
    await run(3, 4);
    await run(1, 4);
    assert.deepEqual(isOpen(), [[3, 4, 4, 2]]);
    assert.equal(opened.length, 3);
  });

  it('stays open for two sizes in turn, and closes the one used least lately for a third', async () => {
    for (const height of [2, 4, 2, 4]) await run(1, height);
    assert.equal(opened.length, 3);
    await run(1, 2);
    await run(1, 6);
    assert.deepEqual(
      isOpen().map(([, , height]) => height),
      [2, 6],
    );
  });

  it('closes all, and rejects with ECLOSED from then on', async () => {
    await run(1, 2);
    await net.close();
    assert.deepEqual(isOpen(), []);
    await assert.rejects(run(1, 2), { code: 'ECLOSED' });
  });

  it('gives a model the outputs that it has with free sizes', async () => {
    const [free, fixed] = [await Model.load({ model: REFERENCE_MODEL }), await Model.load({ model: REFERENCE_MODEL, fixedShapes: true })];
    assert.deepEqual([free.unet.place.compilesShapes, fixed.unet.place.compilesShapes], [false, true]);
    const conditioning = await free.textEncoder.encodeTokens(new Array<number>(77).fill(7));
    const same = await fixed.textEncoder.encodeTokens(new Array<number>(77).fill(7));
    assert.ok(relativeError(same.hiddenStates, conditioning.hiddenStates) < 1e-5);
    for (const [rows, size] of [
      [3, 8],
      [1, 8],
      [2, 16],
    ]) {
      const shape = { height: size, width: size };
      const batch = Array.from({ length: rows }, (_, i) => ({
        sample: randn([4, size, size], i),
        shape,
        timestep: 999 - 300 * i,
        conditioning,
      }));
      const [a, b] = [await free.unet.predict(batch), await fixed.unet.predict(batch)];
      a.forEach((row, i) => assert.ok(relativeError(b[i], row) < 1e-5));
      const pixels = randn([3, 8 * size, 8 * size], 5);
      const latents = await Promise.all([free, fixed].map((model) => model.vaeEncoder?.encode(pixels, 8 * size, 8 * size)));
      assert.ok(latents[0] && latents[1] && relativeError(latents[1], latents[0]) < 1e-5);
    }
    await Promise.all([free.close(), fixed.close()]);
  });

  it('is the choice of providers that compile whole graphs', () => {
    assert.deepEqual(['cpu', 'webgpu', 'cuda:1', 'dml', 'dml:1', 'coreml'].map(prefersFixedShapes), [
      false,
      false,
      false,
      true,
      true,
      true,
    ]);
  });
});
