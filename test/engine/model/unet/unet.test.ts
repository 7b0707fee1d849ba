import assert from 'node:assert/strict';
import { guidanceEmbedding } from '../../../../engine/model/unet/guidance-embedding';
import { Model } from '../../../../engine/model/model';
import type { UnetRow } from '../../../../engine/model/unet/row';
import { Unet } from '../../../../engine/model/unet/unet';
import { toFloat16 } from '../../../../engine/net/float16';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import type { PromptEmbeds } from '../../../../engine/prompt/prompt-embeds';
import { randn } from '../../../../engine/diffusion/noise';
import { tinyUnet, type UnetShape } from '../../../lib/onnx-maker';
import { recording, REFERENCE_MODEL, relativeError } from '../../../lib/reference';

const conditioningOf = (level: number): PromptEmbeds => ({
  hiddenStates: new Float32Array(77 * 32).fill(level),
  tokens: 77,
  width: 32,
});

/** Of the tiny net's latents. */
const shape = { height: 2, width: 2 };

describe('unet', () => {
  it('gives every row of a batch what the row gives alone', async () => {
    const model = await Model.load({ model: REFERENCE_MODEL });
    const { token_ids: ids } = recording('img2img-2step-full-1.5-1.0');
    const conditionings = await Promise.all(Object.values(ids).map((one) => model.textEncoder.encodeTokens(one)));
    assert.ok(conditionings.length > 1, 'rows under different prompts');
    const rows = [999, 399, 199, 19].map((timestep, i) => ({
      sample: randn([4, 8, 8], i),
      shape: { height: 8, width: 8 },
      timestep,
      conditioning: conditionings[i % conditionings.length],
    }));
    const batch = await model.unet.predict(rows);
    assert.equal(batch.length, 4);
    for (const [i, row] of rows.entries()) {
      const [alone] = await model.unet.predict([row]);
      assert.ok(relativeError(batch[i], alone) < 1e-5, `row ${i}`);
      for (const other of batch.slice(0, i)) assert.ok(relativeError(other, alone) > 0.01, 'rows differ');
    }
    await model.close();
  });

  describe('of every kind of export', () => {
    // The tiny net computes sample·timestep + mean(conditioning), so every row has one right answer.
    const rows: UnetRow[] = [2, 3, 2, 5, 7].map((timestep, i) => ({
      sample: Float32Array.from({ length: 4 * 4 }, (_, k) => k - 8 + i),
      shape,
      timestep,
      conditioning: conditioningOf(i / 4),
    }));
    const expected = rows.map(({ sample, timestep, conditioning }) => sample.map((x) => x * timestep + conditioning.hiddenStates[0]));

    const exports: [string, UnetShape, number][] = [
      ['int64 timestep a row', {}, 1],
      ['int32 timestep a row', { timestepType: 'int32' }, 1],
      ['float32 timestep a row', { timestepType: 'float32' }, 1],
      ['float16 throughout', { type: 'float16', timestepType: 'float16' }, 1],
      ['timestep dimension of another name', { timestepShape: ['steps'] }, 1],
      ['output of another name', { outputName: 'noise_pred' }, 1],
      ['timestep without a dimension', { timestepType: 'float32', timestepShape: [] }, 4],
      ['one timestep', { timestepType: 'float16', timestepShape: [1] }, 4],
      ['fixed batch of 2', { batch: 2 }, 3],
      ['fixed batch of 1', { batch: 1 }, 5],
      ['fixed batch of 8', { batch: 8 }, 1],
    ];
    for (const [name, kind, runs] of exports) {
      it(`${name}: all rows are right, in ${runs} run${runs > 1 ? 's' : ''}`, async () => {
        const net = await OnnxNet.load(tinyUnet(kind), { executionProvider: 'cpu' });
        let counted = 0;
        const counting = {
          inputs: net.inputs,
          outputs: net.outputs,
          close: () => net.close(),
          run: (feeds: Parameters<typeof net.run>[0]) => {
            counted++;
            return net.run(feeds);
          },
        };
        const unet = new Unet(counting, {}, 8);
        const tolerance = kind.type === 'float16' ? 1e-3 : 1e-6;
        for (let again = 0; again < 2; again++) {
          const outputs = await unet.predict(rows);
          outputs.forEach((output, i) => assert.ok(relativeError(output, expected[i]) < tolerance, `row ${i}`));
        }
        assert.equal(counted, 2 * runs);
        assert.equal(unet.notes.length > 0, runs > 1 || name.includes('fixed'));
        await net.close();
      });
    }

    it('rows of other sizes and prompts of other lengths go in runs of their own, and are as right', async () => {
      const net = await OnnxNet.load(tinyUnet(), { executionProvider: 'cpu' });
      const longer = { hiddenStates: new Float32Array(154 * 32).fill(3), tokens: 154, width: 32 };
      const wide = { shape: { height: 2, width: 4 }, sample: Float32Array.from({ length: 32 }, (_, k) => k) };
      const mixed = [rows[0], { ...rows[1], conditioning: longer }, { ...rows[2], ...wide }, rows[3]];
      const outputs = await new Unet(net, {}, 8).predict(mixed);
      assert.ok(relativeError(outputs[0], expected[0]) < 1e-6 && relativeError(outputs[3], expected[3]) < 1e-6);
      assert.ok(
        relativeError(
          outputs[1],
          Float32Array.from(rows[1].sample, (x) => x * 3 + 3),
        ) < 1e-6,
      );
      assert.ok(
        relativeError(
          outputs[2],
          Float32Array.from(wide.sample, (x) => x * 2 + 0.5),
        ) < 1e-6,
      );
      await net.close();
    });

    it('a prompt that changes is seen at once', async () => {
      const net = await OnnxNet.load(tinyUnet(), { executionProvider: 'cpu' });
      const unet = new Unet(net, {}, 8);
      const sample = new Float32Array(16);
      for (const level of [1, 2, 2, 1]) {
        const [[first]] = await unet.predict([{ sample, shape, timestep: 1, conditioning: conditioningOf(level) }]);
        assert.ok(Math.abs(first - level) < 1e-6);
      }
      await net.close();
    });

    it('reads and keeps nothing of a row but what it was given', async () => {
      const net = await OnnxNet.load(tinyUnet({ type: 'float16' }), { executionProvider: 'cpu' });
      const unet = new Unet(net, {}, 8);
      const sample = Float32Array.from({ length: 16 }, (_, k) => k);
      const [output] = await unet.predict([{ sample, shape, timestep: 1, conditioning: conditioningOf(0) }]);
      assert.deepEqual(
        sample,
        Float32Array.from({ length: 16 }, (_, k) => k),
      );
      assert.deepEqual(toFloat16(output), toFloat16(sample));
      await net.close();
    });
  });

  describe('with further inputs', () => {
    const sample = new Float32Array(16);
    const predicted = async (extraInputs: Record<string, number>, rows: Partial<UnetRow>[], height = 2): Promise<number[]> => {
      const net = await OnnxNet.load(tinyUnet({ extraInputs }), { executionProvider: 'cpu' });
      const unet = new Unet(net, {}, 8);
      const outputs = await unet.predict(
        rows.map((row) => ({
          sample: new Float32Array(8 * height),
          shape: { height, width: 2 },
          timestep: 1,
          conditioning: conditioningOf(0),
          ...row,
        })),
      );
      await net.close();
      return outputs.map(([first]) => first);
    };
    const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

    it('of a distilled model: its guidance, row by row', async () => {
      const outputs = await predicted({ timestep_cond: 256 }, [{ guidance: 7.5 }, {}, { guidance: 0.2 }]);
      // By default no guidance: 128 sines of 0 and 128 cosines.
      assert.ok(Math.abs(outputs[1] - 0.5) < 1e-6);
      [7.5, 0, 0.2].forEach((w, i) => assert.ok(Math.abs(outputs[i] - mean(guidanceEmbedding(w, 256))) < 1e-5));
    });

    it('of SDXL: the embedding of the whole prompt, and the size in pixels as [H, W, 0, 0, H, W]', async () => {
      const withPooled = (level: number): PromptEmbeds => ({ ...conditioningOf(0), pooled: new Float32Array(8).fill(level) });
      const extra = { text_embeds: 8, time_ids: 6 };
      assert.deepEqual(
        await predicted(extra, [{ conditioning: withPooled(1) }, { conditioning: withPooled(2) }], 2),
        [1 + 64 / 6, 2 + 64 / 6].map(Math.fround),
      );
      assert.deepEqual(await predicted(extra, [{ conditioning: withPooled(1) }], 4), [1 + 96 / 6]);
      await assert.rejects(predicted(extra, [{ sample }]), { code: 'EBADPROMPT', message: /whole prompt/ });
    });
  });

  describe('says what it cannot do', () => {
    const open = async (shape: UnetShape, use: (unet: Unet) => Promise<unknown>): Promise<void> => {
      const net = await OnnxNet.load(tinyUnet(shape), { executionProvider: 'cpu' });
      try {
        await use(new Unet(net, {}, 8));
      } finally {
        await net.close();
      }
    };
    const row = { sample: new Float32Array(16), shape, timestep: 1, conditioning: conditioningOf(0) };

    it('a size that the export did not fix', async () => {
      await open({ sampleShape: ['batch', 4, 8, 8] }, async (unet) =>
        assert.deepEqual(unet.notes, ['This unet was exported for pictures of 64×64 only.']),
      );
      await open({ sampleShape: ['batch', 4, 8, 8] }, (unet) =>
        assert.rejects(unet.predict([row]), {
          code: 'EBADPARAM',
          message: /\[batch, 4, 8, 8\], got \[1, 4, 2, 2\].*64×64 only/,
        }),
      );
    });

    it('inputs of another family of models', async () => {
      const extraInputs = { image_embeds: 1280 };
      await assert.rejects(
        open({ extraInputs }, () => Promise.resolve()),
        { code: 'EBADMODEL', message: /image_embeds.*Stable Diffusion 1, 2 or XL/ },
      );
    });

    it('a net that takes more than latents, as for inpainting', async () => {
      const inpainting = {
        inputs: ['sample', 'timestep', 'encoder_hidden_states'].map((name, i) => ({
          name,
          type: 'float32' as const,
          shape: [['batch', 9, 'h', 'w'], ['batch'], ['batch', 'tokens', 32]][i],
        })),
        outputs: [{ name: 'out_sample', type: 'float32' as const, shape: ['batch', 4, 'h', 'w'] }],
        run: () => Promise.resolve({}),
        close: () => Promise.resolve(),
      };
      assert.throws(() => new Unet(inpainting, {}, 8), { code: 'EBADMODEL', message: /takes 9 channels and gives 4.*inpainting/ });
    });
  });
});
