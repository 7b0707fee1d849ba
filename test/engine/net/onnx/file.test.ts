import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOnnxHeader } from '../../../../engine/net/onnx/file';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { externalWeight, node, onnxModel, value, weight } from '../../../lib/onnx-maker';
import { REFERENCE_MODEL, ROOT } from '../../../lib/reference';

const nets = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'];

describe('the head of an .onnx file', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'onnx-'))));
  after(() => rm(folder, { recursive: true }));

  const write = async (content: Uint8Array | string): Promise<string> => {
    const path = join(folder, 'model.onnx');
    await writeFile(path, content);
    return path;
  };

  for (const model of [REFERENCE_MODEL, join(ROOT, 'models/starter')]) {
    for (const name of nets) {
      it(`says of ${name} in ${model.slice(ROOT.length + 1)} what ONNX Runtime says`, async () => {
        const path = join(model, name, 'model.onnx');
        const header = await readOnnxHeader(path);
        const net = await OnnxNet.load(path, { executionProvider: 'cpu' });
        assert.deepEqual(header.inputs, net.inputs);
        assert.deepEqual(
          header.outputs.map(({ name, type }) => [name, type]),
          net.outputs.map(({ name, type }) => [name, type]),
        );
        assert.deepEqual(header.externalFiles, []);
        await net.close();
      });
    }
  }

  it('finds a file that was cut off, wherever that was', async () => {
    const whole = await readFile(join(REFERENCE_MODEL, 'vae_decoder', 'model.onnx'));
    for (let cut = 0; cut < whole.length - 64; cut += 1009) {
      await assert.rejects(readOnnxHeader(await write(whole.subarray(0, cut))), {
        code: 'EBADMODEL',
        message: /model\.onnx is torn, damaged or not an ONNX file/,
      });
    }
  });

  it('tells a Git LFS pointer and a web page from a model', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
    await assert.rejects(readOnnxHeader(await write(pointer)), { code: 'EBADMODEL', message: /pointer.*Git LFS/ });
    await assert.rejects(readOnnxHeader(await write('<!DOCTYPE html><html></html>')), { code: 'EBADMODEL', message: /web page/ });
    await assert.rejects(readOnnxHeader(await write('just some text')), { code: 'EBADMODEL', message: /not an ONNX file/ });
  });

  it('skips weights, names the files that hold them, and drops weights from the inputs', async () => {
    const path = await write(
      onnxModel({
        inputs: [value('x', 'float32', ['n', 3]), value('w', 'float32', [3])],
        outputs: [value('y', 'float32', ['n', 3])],
        weights: [
          weight('w', [3], Float32Array.of(1, 2, 3)),
          externalWeight('v', [3], 'model.onnx_data'),
          externalWeight('u', [3], 'model.onnx_data'),
        ],
        nodes: [node('Add', ['x', 'w'], 'y')],
      }),
    );
    assert.deepEqual(await readOnnxHeader(path), {
      inputs: [{ name: 'x', type: 'float32', shape: ['n', 3] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['n', 3] }],
      operators: new Set(['Add']),
      isHalf: false,
      externalFiles: ['model.onnx_data'],
    });
  });

  it('tells a net that computes with float16 weights from one that only stores them so', async () => {
    const half = (nodes: Buffer[]): Buffer =>
      onnxModel({
        inputs: [value('x', 'float32', [1, 1, 4, 4])],
        outputs: [value('y', 'float32', [1, 1, 4, 4])],
        weights: [weight('w', [1, 1, 1, 1], Uint16Array.of(0x3c00))],
        nodes,
      });
    const computed = half([
      node('Cast', ['x'], 'x16', { to: 10 }),
      node('Conv', ['x16', 'w'], 'y16'),
      node('Cast', ['y16'], 'y', { to: 1 }),
    ]);
    assert.equal((await readOnnxHeader(await write(computed))).isHalf, true);
    const stored = half([node('Cast', ['w'], 'w32', { to: 1 }), node('Conv', ['x', 'w32'], 'y')]);
    assert.equal((await readOnnxHeader(await write(stored))).isHalf, false);
    assert.equal((await readOnnxHeader(join(ROOT, 'models/starter/unet/model.onnx'))).isHalf, false);
  });
});
