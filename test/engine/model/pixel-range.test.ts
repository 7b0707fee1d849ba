import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Model } from '../../../engine/model/model';
import { findPixelRange } from '../../../engine/model/pixel-range';
import { VaeDecoder, VaeEncoder } from '../../../engine/model/vae';
import type { PixelRange } from '../../../engine/image/brightness';
import type { Net, Tensor } from '../../../engine/net/net';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import { tinyAutoencoder } from '../../lib/onnx-maker';
import { ROOT } from '../../lib/reference';

const space = { channels: 4, factor: 8, scale: 1, shift: 0 };
const BOTH = { encoder: true, decoder: true };

describe('the range of a tiny autoencoder', () => {
  for (const [range, low] of [
    ['-1..1', -1],
    ['0..1', 0],
  ] as [PixelRange, number][]) {
    const open = async (): Promise<{ encoder: VaeEncoder; decoder: VaeDecoder; close(): Promise<unknown> }> => {
      const bytes = tinyAutoencoder(low, 1);
      const nets = [
        await OnnxNet.load(bytes.encoder, { executionProvider: 'cpu' }),
        await OnnxNet.load(bytes.decoder, { executionProvider: 'cpu' }),
      ];
      return {
        encoder: new VaeEncoder(nets[0], space),
        decoder: new VaeDecoder(nets[1], space),
        close: () => Promise.all(nets.map((net) => net.close())),
      };
    };

    it(`${range} is found, and hidden from then on`, async () => {
      const { encoder, decoder, close } = await open();
      await findPixelRange({ encoder, decoder, tiny: BOTH, channels: 4, factor: 8 });
      assert.deepEqual([encoder.range, decoder.range], [range, range]);
      for (const level of [-0.75, 0, 0.75]) {
        const pixels = new Float32Array(3 * 64).fill(level);
        const again = await decoder.decode(await encoder.encode(pixels, 8, 8), 1, 1);
        again.forEach((value) => assert.ok(Math.abs(value - level) < 1e-6));
      }
      await close();
    });

    it(`${range} is found of a decoder alone`, async () => {
      const { decoder, close } = await open();
      await findPixelRange({ decoder, tiny: BOTH, channels: 4, factor: 8 });
      assert.equal(decoder.range, range);
      await close();
    });
  }

  it('is found of a trained autoencoder, whichever way it counts', async () => {
    const folder = join(ROOT, 'models/starter');
    const {
      scaling_factor: scale,
      latent_channels: channels,
      block_out_channels: blocks,
    } = JSON.parse(await readFile(join(folder, 'vae_decoder', 'config.json'), 'utf8'));
    const factor = 2 ** (blocks.length - 1);
    const trainedSpace = { ...space, scale, channels, factor };
    const nets = [
      await OnnxNet.load(join(folder, 'vae_encoder/model.onnx'), { executionProvider: 'cpu' }),
      await OnnxNet.load(join(folder, 'vae_decoder/model.onnx'), { executionProvider: 'cpu' }),
    ];
    const [signed, trained] = [new VaeEncoder(nets[0], trainedSpace), new VaeDecoder(nets[1], trainedSpace)];
    // The same nets, as they would be had they been trained on 0..1.
    const toSigned = (values: Float32Array): Float32Array => values.map((value) => 2 * value - 1);
    const toPositive = (values: Float32Array): Float32Array => values.map((value) => (value + 1) / 2);
    const encoder = new VaeEncoder(
      onValues(nets[0], toSigned, (latent) => latent),
      trainedSpace,
    );
    const decoder = new VaeDecoder(
      onValues(nets[1], (latent) => latent, toPositive),
      trainedSpace,
    );
    await findPixelRange({ encoder: signed, decoder: trained, tiny: BOTH, channels, factor });
    await findPixelRange({ encoder, decoder, tiny: BOTH, channels, factor });
    assert.deepEqual([signed.range, trained.range, encoder.range, decoder.range], ['-1..1', '-1..1', '0..1', '0..1']);
    await findPixelRange({ decoder: trained, tiny: BOTH, channels, factor });
    await findPixelRange({ decoder, tiny: BOTH, channels, factor });
    assert.deepEqual([trained.range, decoder.range], ['-1..1', '0..1'], 'of the decoder alone');
    await Promise.all(nets.map((net) => net.close()));
  });

  it('is -1..1 of the embedded model, and of any full autoencoder without a try', async () => {
    const model = await Model.load({ model: 'starter' });
    assert.deepEqual([model.vaeEncoder?.range, model.vaeDecoder.range], ['-1..1', '-1..1']);
    await model.close();
    const net = await OnnxNet.load(tinyAutoencoder(0, 1).decoder, { executionProvider: 'cpu' });
    await net.close();
    const decoder = new VaeDecoder(net, space);
    await findPixelRange({ decoder, tiny: { encoder: false, decoder: false }, channels: 4, factor: 8 });
    assert.equal(decoder.range, '-1..1');
  });
});

/** A net of float32 values, behind and before some arithmetic. */
function onValues(net: Net, before: (values: Float32Array) => Float32Array, after: (values: Float32Array) => Float32Array): Net {
  const through = (tensors: Record<string, Tensor>, how: typeof before): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, data: how(tensor.data as Float32Array) }]));
  return {
    inputs: net.inputs,
    outputs: net.outputs,
    close: () => net.close(),
    run: async (feeds) => through(await net.run(through(feeds, before)), after),
  };
}
