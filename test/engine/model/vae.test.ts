import assert from 'node:assert/strict';
import type { PixelRange } from '../../../engine/image/brightness';
import { toImage, toTensor } from '../../../engine/image/pixels';
import { Model } from '../../../engine/model/model';
import { VaeDecoder, VaeEncoder, type LatentSpace } from '../../../engine/model/vae';
import { NetThread } from '../../../engine/net/pool/net-thread';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import type { RawImage } from '../../../engine/types';
import { tinyDecoder, tinyKlEncoder } from '../../lib/onnx-maker';
import { recording, REFERENCE_MODEL, relativeError } from '../../lib/reference';

const cpu = { executionProvider: 'cpu' };

describe('autoencoder', () => {
  describe('of the reference', () => {
    let model: Model;
    before(async () => (model = await Model.load({ model: REFERENCE_MODEL })));
    after(() => model.close());

    it('encodes frames to the latents that the reference noised', async () => {
      const reference = recording('img2img-2step-none-1.0-1.0');
      const xT = reference.tensor('x_t').data;
      const noise = reference.tensor('init_noise').data;
      const [alpha, beta] = [reference.alpha_prod_t_sqrt[0], reference.beta_prod_t_sqrt[0]];
      for (let f = 0; f < reference.case.frames; f++) {
        const latent = await model.vaeEncoder?.encode(toTensor(reference.frame(f)), 64, 64);
        assert.ok(latent);
        // x_t = √ᾱ·z + √(1-ᾱ)·ε
        const noised = latent.map((z, i) => alpha * z + beta * noise[i]);
        assert.ok(relativeError(noised, xT.subarray(f * 256, (f + 1) * 256)) < 1e-5, `frame ${f}`);
      }
    });

    it('decodes latents to the pictures of the reference', async () => {
      const reference = recording('img2img-2step-none-1.0-1.0');
      const [x0, image] = [reference.tensor('x0').data, reference.tensor('image').data];
      for (let f = 0; f < reference.case.frames; f++) {
        const { data } = await model.vaeDecoder.decodePicture(x0.subarray(f * 256, (f + 1) * 256), 8, 8);
        const expected = toImage(image.subarray(f * 3 * 64 * 64, (f + 1) * 3 * 64 * 64), 64, 64);
        const others = data.filter((value, k) => value !== expected.data[k]);
        // Where a number lies between two grey levels, rounding may go either way.
        assert.ok(others.length <= 2, `frame ${f}: ${others.length} of ${data.length} differ`);
        data.forEach((value, k) => assert.ok(Math.abs(value - expected.data[k]) <= 1));
      }
    });

    it('takes pictures that are not square', async () => {
      const latent = await model.vaeEncoder?.encode(new Float32Array(3 * 32 * 64), 32, 64);
      assert.equal(latent?.length, 4 * 4 * 8);
      assert.equal((await model.vaeDecoder.decode(latent, 4, 8)).length, 3 * 32 * 64);
    });
  });

  describe('with a distribution, scale and shift', () => {
    const space: LatentSpace = { channels: 4, factor: 8, scale: 0.5, shift: 0.25 };
    const red = (height: number, width: number) => {
      const pixels = new Float32Array(3 * height * width);
      return pixels.fill(0.75, 0, height * width);
    };

    for (const batch of ['batch', 1, 2]) {
      it(`encodes to the scaled mean, never a sample (batch ${batch})`, async () => {
        const net = await OnnxNet.load(tinyKlEncoder(batch), cpu);
        const latent = await new VaeEncoder(net, space).encode(red(8, 16), 8, 16);
        // Channel c of the mean is (c + 1)·0.75.
        const expected = [1, 1, 2, 2, 3, 3, 4, 4].map((c) => (c * 0.75 - 0.25) * 0.5);
        assert.equal(latent.length, expected.length);
        latent.forEach((z, i) => assert.ok(Math.abs(z - expected[i]) < 1e-6));
        await net.close();
      });

      it(`decodes what it scales back (batch ${batch})`, async () => {
        const net = await OnnxNet.load(tinyDecoder(batch), cpu);
        const latent = Float32Array.of(0.1, 0.2, -0.3, 0.4);
        const pixels = await new VaeDecoder(net, space).decode(latent, 1, 1);
        assert.equal(pixels.length, 3 * 64);
        for (let c = 0; c < 3; c++) assert.ok(Math.abs(pixels[c * 64 + 7] - (latent[c] / 0.5 + 0.25)) < 1e-6);
        assert.deepEqual(latent, Float32Array.of(0.1, 0.2, -0.3, 0.4));
        await net.close();
      });
    }

    describe('of pictures', () => {
      const image: RawImage = {
        data: Uint8Array.from({ length: 3 * 8 * 16 }, (_, i) => (i * 37) % 256),
        width: 16,
        height: 8,
        channels: 3,
      };
      const latent = Float32Array.of(0.1, 0.2, -0.3, 0.4);

      for (const type of ['float32', 'float16'] as const) {
        for (const range of ['-1..1', '0..1'] as PixelRange[]) {
          it(`is the same whether numbers or bytes reach the net's thread (${type}, ${range})`, async () => {
            const thread = new NetThread();
            const encoder = new VaeEncoder(await thread.load(tinyKlEncoder(1, type), cpu), space);
            const decoder = new VaeDecoder(await thread.load(tinyDecoder(1, type), cpu), space);
            encoder.range = decoder.range = range;
            const [fromNumbers, fromBytes] = [await encoder.encode(toTensor(image), 8, 16), await encoder.encodePicture(image)];
            fromBytes.forEach((z, i) => assert.ok(Math.abs(z - fromNumbers[i]) < (type === 'float16' ? 1e-3 : 1e-6)));
            assert.deepEqual(await decoder.decodePicture(latent, 1, 1), toImage(await decoder.decode(latent, 1, 1), 8, 8));
            assert.equal(image.data.length, 3 * 8 * 16, 'the picture stays with its owner');
            await thread.close();
          });
        }
      }

      it('goes through numbers where the export is for several pictures at once', async () => {
        const [encoderNet, decoderNet] = [await OnnxNet.load(tinyKlEncoder(2), cpu), await OnnxNet.load(tinyDecoder(2), cpu)];
        const [encoder, decoder] = [new VaeEncoder(encoderNet, space), new VaeDecoder(decoderNet, space)];
        assert.deepEqual(await encoder.encodePicture(image), await encoder.encode(toTensor(image), 8, 16));
        assert.deepEqual(await decoder.decodePicture(latent, 1, 1), toImage(await decoder.decode(latent, 1, 1), 8, 8));
        await Promise.all([encoderNet.close(), decoderNet.close()]);
      });

      it('is refused where the net gives what is not a number', async () => {
        const net = await OnnxNet.load(tinyDecoder(), cpu);
        await assert.rejects(new VaeDecoder(net, space).decodePicture(Float32Array.of(NaN, NaN, NaN, NaN), 1, 1), {
          code: 'EBADMODEL',
          message: /vae_decoder gave NaN/,
        });
        await net.close();
      });
    });

    it('refuses nets that contradict the config', async () => {
      const encoder = await OnnxNet.load(tinyKlEncoder(), cpu);
      const decoder = await OnnxNet.load(tinyDecoder(), cpu);
      assert.throws(() => new VaeEncoder(encoder, { ...space, channels: 16 }), { code: 'EBADMODEL', message: /8 channels.*16/ });
      assert.throws(() => new VaeDecoder(decoder, { ...space, channels: 16 }), { code: 'EBADMODEL', message: /4 channels.*16/ });
      const half = { ...space, factor: 4 };
      await assert.rejects(new VaeEncoder(encoder, half).encode(red(8, 8), 8, 8), {
        code: 'EBADMODEL',
        message: /block_out_channels/,
      });
      await assert.rejects(new VaeDecoder(decoder, half).decode(new Float32Array(4), 1, 1), {
        code: 'EBADMODEL',
        message: /block_out_channels/,
      });
      await encoder.close();
      await decoder.close();
    });
  });
});
