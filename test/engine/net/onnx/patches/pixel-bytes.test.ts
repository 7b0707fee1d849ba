import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PixelRange } from '../../../../../engine/image/brightness';
import { type LatentSpace, VaeDecoder, VaeEncoder } from '../../../../../engine/model/vae';
import { type OnnxGraph, readOnnxGraph } from '../../../../../engine/net/onnx/graph';
import { pixelsInBytes } from '../../../../../engine/net/onnx/patches/pixel-bytes';
import { FixedShapeNet } from '../../../../../engine/net/ort/fixed-shape-net';
import { OnnxNet } from '../../../../../engine/net/ort/onnx-net';
import { NetThread } from '../../../../../engine/net/pool/net-thread';
import type { RawImage } from '../../../../../engine/types';
import { node, onnxModel, tinyDecoder, tinyKlEncoder, value } from '../../../../lib/onnx-maker';

const cpu = { executionProvider: 'cpu' };
const space: LatentSpace = { channels: 4, factor: 8, scale: 0.5, shift: 0.25 };
const ranges: PixelRange[] = ['-1..1', '0..1'];
/** All 256 grey levels, in every channel. */
const image: RawImage = { data: Uint8Array.from({ length: 3 * 16 * 32 }, (_, k) => (k * 37) % 256), width: 32, height: 16, channels: 3 };
const latent = Float32Array.from({ length: 4 * 2 * 4 }, (_, k) => Math.sin(k * 1.3));

describe('pictures in bytes inside of the graph', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bytes-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function graphOf(net: Buffer): Promise<OnnxGraph> {
    const path = join(folder, 'model.onnx');
    await writeFile(path, net);
    return readOnnxGraph(path);
  }
  async function inBytes(net: Buffer, side: 'input' | 'output'): Promise<OnnxGraph> {
    const graph = pixelsInBytes(await graphOf(net), side, 'sample');
    assert.ok(graph);
    return graph;
  }

  for (const type of ['float32', 'float16'] as const) {
    for (const batch of ['batch', 1, 2]) {
      it(`an encoder gives the same latents to the bit (${type}, batch ${batch})`, async () => {
        const net = tinyKlEncoder(batch, type);
        const [plain, patched] = [await OnnxNet.load(net, cpu), await OnnxNet.load(await inBytes(net, 'input'), cpu)];
        const [byNumbers, byBytes] = [new VaeEncoder(plain, space), new VaeEncoder(patched, space)];
        for (const range of ranges) {
          byNumbers.range = byBytes.range = range;
          assert.deepEqual(await byBytes.encodePicture(image), await byNumbers.encodePicture(image), range);
        }
        await Promise.all([plain.close(), patched.close()]);
      });

      it(`a decoder gives the same picture but for rounding between two grey levels (${type}, batch ${batch})`, async () => {
        const net = tinyDecoder(batch, type);
        const [plain, patched] = [await OnnxNet.load(net, cpu), await OnnxNet.load(await inBytes(net, 'output'), cpu)];
        const [byNumbers, byBytes] = [new VaeDecoder(plain, space), new VaeDecoder(patched, space)];
        for (const range of ranges) {
          byNumbers.range = byBytes.range = range;
          const [expected, got] = [await byNumbers.decodePicture(latent, 2, 4), await byBytes.decodePicture(latent, 2, 4)];
          assert.deepEqual([got.width, got.height, got.data.length], [32, 16, 3 * 16 * 32]);
          got.data.forEach((byte, k) => assert.ok(Math.abs(byte - expected.data[k]) <= 1, `${range}: ${byte}, not ${expected.data[k]}`));
          const others = got.data.filter((byte, k) => byte !== expected.data[k]);
          // Each latent fills a block of 64 pixels.
          assert.ok(others.length <= 64, `${range}: ${others.length} differ`);
        }
        await Promise.all([plain.close(), patched.close()]);
      });
    }
  }

  it('what overshoots is clamped, and what is not a number refused', async () => {
    const net = await OnnxNet.load(await inBytes(tinyDecoder(), 'output'), cpu);
    const decoder = new VaeDecoder(net, { ...space, scale: 1, shift: 0 });
    const { data } = await decoder.decodePicture(Float32Array.of(-7, 0, 7, 0), 1, 1);
    assert.deepEqual([...data.subarray(0, 3)], [0, 128, 255]);
    for (const wrong of [NaN, Infinity])
      await assert.rejects(decoder.decodePicture(Float32Array.of(0, wrong, 0, 0), 1, 1), {
        code: 'EBADMODEL',
        message: /vae_decoder gave/,
      });
    await net.close();
  });

  it('works in threads, and where every size is opened for itself', async () => {
    const thread = new NetThread();
    const open = (graph: OnnxGraph) => thread.load(graph, cpu, 'a net');
    const [encoderGraph, decoderGraph] = [await inBytes(tinyKlEncoder(), 'input'), await inBytes(tinyDecoder(), 'output')];
    const [free, fixed] = [await open(encoderGraph), await FixedShapeNet.load(encoderGraph, open)];
    const decoders = [await open(decoderGraph), await FixedShapeNet.load(decoderGraph, open)];
    assert.deepEqual(await new VaeEncoder(fixed, space).encodePicture(image), await new VaeEncoder(free, space).encodePicture(image));
    const pictures = await Promise.all(decoders.map((net) => new VaeDecoder(net, space).decodePicture(latent, 2, 4)));
    assert.deepEqual(pictures[1], pictures[0]);
    assert.equal(image.data.length, 3 * 16 * 32, 'the picture stays with its owner');
    await Promise.all([fixed, ...decoders].map((net) => net.close()));
    await thread.close();
  });

  it('leaves alone what is not a picture of three colours in numbers', async () => {
    const graph = async (shape: (number | string)[], type: 'float32' | 'int64' = 'float32'): Promise<OnnxGraph> =>
      graphOf(
        onnxModel({
          inputs: [value('sample', type, shape)],
          outputs: [value('y', type, shape)],
          nodes: [node('Identity', ['sample'], 'y')],
        }),
      );
    assert.equal(pixelsInBytes(await graph(['b', 4, 'h', 'w']), 'input', 'sample'), undefined);
    assert.equal(pixelsInBytes(await graph(['b', 3]), 'input', 'sample'), undefined);
    assert.equal(pixelsInBytes(await graph(['b', 3, 'h', 'w'], 'int64'), 'input', 'sample'), undefined);
    assert.equal(pixelsInBytes(await graph(['b', 3, 'h', 'w']), 'output', 'sample'), undefined);
    assert.ok(pixelsInBytes(await graph(['b', 3, 'h', 'w']), 'input', 'sample'));
  });
});
