import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Tensor } from '../../../../../engine/net/net';
import { inputName } from '../../../../../engine/net/onnx/edit';
import { readOnnxGraph } from '../../../../../engine/net/onnx/graph';
import { fuseAttention } from '../../../../../engine/net/onnx/patches/attention';
import { withControlInputs } from '../../../../../engine/net/onnx/patches/control';
import { simplifyShapes } from '../../../../../engine/net/onnx/patches/shapes';
import { OnnxNet } from '../../../../../engine/net/ort/onnx-net';
import { node } from '../../../../lib/onnx-maker';
import { REFERENCE_MODEL, ROOT } from '../../../../lib/reference';

const UNET = join(REFERENCE_MODEL, 'unet', 'model.onnx');
const RESIDUALS = ['control/down_00', 'control/down_01', 'control/down_02', 'control/down_03', 'control/mid'];
const CHANNELS = [32, 32, 32, 64, 64];
/** Halvings of each. */
const SIZES = [8, 8, 4, 4, 4];

describe('inputs for the residuals of ControlNets', () => {
  it('are found in a plain UNet, in the order of its skip tensors, with their channels', async () => {
    const graph = await patched(UNET);
    const net = await OnnxNet.load(graph, { executionProvider: 'cpu' });
    const added = net.inputs.filter(({ name }) => name.startsWith('control/'));
    assert.deepEqual(
      added.map(({ name, type, shape }) => [name, type, shape[1]]).sort(),
      RESIDUALS.map((name, k) => [name, 'float32', CHANNELS[k]]),
    );
    await net.close();
  });

  it("are found in the starter's UNet, which is not an export of diffusers", async () => {
    const graph = await patched(join(ROOT, 'models/starter/unet/model.onnx'));
    assert.deepEqual(
      graph.inputs
        .map(inputName)
        .filter((name) => name.startsWith('control/'))
        .sort(),
      [...RESIDUALS.slice(0, 3), 'control/mid'],
    );
  });

  it('change nothing, to the byte, where they are zero; also where a single zero stands for all positions', async () => {
    const plain = await OnnxNet.load(UNET, { executionProvider: 'cpu' });
    const net = await OnnxNet.load(await patched(UNET), { executionProvider: 'cpu' });
    const { out_sample: expected } = await plain.run(feeds(2));
    for (const isWhole of [true, false]) {
      const { out_sample: got } = await net.run({ ...feeds(2), ...residuals(2, isWhole, () => 0) });
      assert.deepEqual(got.data, expected.data);
    }
    await Promise.all([plain.close(), net.close()]);
  });

  it('each change the result, and of their own row alone', async () => {
    const net = await OnnxNet.load(await patched(UNET), { executionProvider: 'cpu' });
    const { out_sample: plain } = await net.run({ ...feeds(2), ...residuals(2, true, () => 0) });
    for (const changed of RESIDUALS) {
      const { out_sample: got } = await net.run({
        ...feeds(2),
        ...residuals(2, true, (name, row) => (name === changed && row === 1 ? 0.5 : 0)),
      });
      const half = plain.data.length / 2;
      assert.deepEqual(got.data.slice(0, half), plain.data.slice(0, half), `${changed} changes another row`);
      assert.notDeepEqual(got.data.slice(half), plain.data.slice(half), `${changed} changes nothing`);
    }
    await net.close();
  });

  it('are added to every form of the graph: also where attention is one operator and sizes are constants', async () => {
    const graph = await readOnnxGraph(UNET);
    const fused = fuseAttention(graph) ?? graph;
    const simple = withControlInputs(simplifyShapes(fused) ?? fused, 'float32');
    assert.ok(simple);
    const [net, other] = [
      await OnnxNet.load(simple, { executionProvider: 'cpu' }),
      await OnnxNet.load(await patched(UNET), { executionProvider: 'cpu' }),
    ];
    const given = { ...feeds(2), ...residuals(2, true, (name, row) => 0.1 * (RESIDUALS.indexOf(name) - 2 * row)) };
    const [a, b] = [(await net.run(given)).out_sample.data, (await other.run(given)).out_sample.data];
    const worst = Math.max(...Array.from(a as Float32Array, (number, k) => Math.abs(number - Number(b[k]))));
    assert.ok(worst < 1e-5, `${worst}`);
    await Promise.all([net.close(), other.close()]);
  });

  it('are not found where two tensors are joined that have nothing to do with each other', () => {
    const graph = {
      folder: '.',
      model: Buffer.alloc(0),
      nodes: [node('Concat', ['a', 'b'], 'c', { axis: 1 })],
      weights: [],
      inputs: [],
      outputs: [],
      rest: [],
    };
    assert.equal(withControlInputs(graph, 'float32'), undefined);
  });
});

async function patched(path: string) {
  const graph = withControlInputs(await readOnnxGraph(path), 'float32');
  assert.ok(graph);
  return graph;
}

function feeds(rows: number): Record<string, Tensor> {
  const noise = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, k) => Math.sin(seed + 1.7 * k * k));
  return {
    sample: { type: 'float32', data: noise(rows * 256, 1), dims: [rows, 4, 8, 8] },
    timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, row) => BigInt(500 - 100 * row)), dims: [rows] },
    encoder_hidden_states: { type: 'float32', data: noise(rows * 77 * 32, 2), dims: [rows, 77, 32] },
  };
}

function residuals(rows: number, isWhole: boolean, numberOf: (name: string, row: number) => number): Record<string, Tensor> {
  return Object.fromEntries(
    RESIDUALS.map((name, k): [string, Tensor] => {
      const dims = isWhole ? [rows, CHANNELS[k], SIZES[k], SIZES[k]] : [1, CHANNELS[k], 1, 1];
      const length = dims.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length }, (_, at) => numberOf(name, Math.floor((at * dims[0]) / length)));
      return [name, { type: 'float32', data, dims }];
    }),
  );
}
