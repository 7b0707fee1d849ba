import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFloat16, toFloat16 } from '../../../../engine/net/float16';
import { OnnxNet, providerConfig } from '../../../../engine/net/ort/onnx-net';
import type { Tensor } from '../../../../engine/net/net';
import { node, onnxModel, value } from '../../../lib/onnx-maker';

const cpu = { executionProvider: 'cpu' };
const floats = (...values: number[]): Tensor => ({ type: 'float32', data: Float32Array.from(values), dims: [values.length] });

function doubling(type: 'float32' | 'float16' | 'bool'): Buffer {
  const [inputs, outputs] = [[value('x', type, ['n'])], [value('y', type, ['n'])]];
  return onnxModel({ inputs, outputs, nodes: type === 'bool' ? [node('Not', ['x'], 'y')] : [node('Add', ['x', 'x'], 'y')] });
}

describe('a net on ONNX Runtime', () => {
  it('is asked for by provider and device, on webgpu without the checks of every call', () => {
    assert.deepEqual(providerConfig('cpu'), { name: 'cpu' });
    assert.deepEqual(providerConfig('cuda:1'), { name: 'cuda', deviceId: 1 });
    assert.deepEqual(providerConfig('webgpu'), {
      name: 'webgpu',
      preferredLayout: 'NHWC',
      validationMode: 'disabled',
      enableRobustness: false,
    });
  });

  it('tells its inputs and outputs, and computes', async () => {
    const net = await OnnxNet.load(doubling('float32'), cpu);
    assert.deepEqual(net.inputs, [{ name: 'x', type: 'float32', shape: ['n'] }]);
    assert.deepEqual(
      net.outputs.map(({ name, type }) => ({ name, type })),
      [{ name: 'y', type: 'float32' }],
    );
    const { y } = await net.run({ x: floats(1, -2.5) });
    assert.deepEqual(y, floats(2, -5));
    await net.close();
  });

  it('takes and gives float16 as bit patterns', async () => {
    const net = await OnnxNet.load(doubling('float16'), cpu);
    const { y } = await net.run({ x: { type: 'float16', data: toFloat16(Float32Array.of(0.5, -3)), dims: [2] } });
    assert.equal(y.type, 'float16');
    assert.ok(y.data instanceof Uint16Array);
    assert.deepEqual(fromFloat16(y.data), Float32Array.of(1, -6));
    await net.close();
  });

  it('rejects a run that the net cannot do with EBADMODEL and stays usable', async () => {
    const net = await OnnxNet.load(doubling('float32'), cpu, 'the doubling net');
    await assert.rejects(net.run({ x: { type: 'float32', data: Float32Array.of(1, 2), dims: [2, 1] } }), {
      code: 'EBADMODEL',
      message: /the doubling net failed: .*rank/i,
    });
    await assert.rejects(net.run({}), { code: 'EBADMODEL', message: /the doubling net failed: .*'x'/ });
    assert.deepEqual((await net.run({ x: floats(4) })).y, floats(8));
    await net.close();
  });

  it('lets a run under way end before it closes, then rejects with ECLOSED', async () => {
    const net = await OnnxNet.load(doubling('float32'), cpu);
    const run = net.run({ x: floats(3) });
    const closed = net.close();
    assert.deepEqual((await run).y, floats(6));
    await closed;
    await assert.rejects(net.run({ x: floats(3) }), { code: 'ECLOSED' });
    await net.close();
  });

  it('refuses values of a kind that no diffusion model has', async () => {
    await assert.rejects(OnnxNet.load(doubling('bool'), cpu, 'a'), { code: 'EBADMODEL', message: /"x" is bool/ });
  });

  it('names the file that is not a net', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'net-'));
    const path = join(folder, 'broken.onnx');
    await writeFile(path, 'this is not a net');
    await assert.rejects(
      OnnxNet.load(path, cpu),
      (error: Error & { code?: string }) => error.code === 'EBADMODEL' && error.message.includes(path),
    );
    await rm(folder, { recursive: true });
  });
});
