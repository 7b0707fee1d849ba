import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { movingScene } from '../../../../bench/scenes';
import { Engine, type RawImage } from '../../../../engine';
import { tryArithmetic } from '../../../../engine/net/ort/arithmetic-trial';
import { madeLora } from '../../../lib/made-lora';
import { peakSignalToNoise } from '../../../lib/pictures';
import { ROOT } from '../../../lib/reference';

const STEPS = [16, 30];

for (const arithmetic of ['int8', 'int8-7bit'] as const)
  describe(`a LoRA of rank 16 on the embedded model in ${arithmetic}`, () => {
    const pictures = movingScene(256, 4);
    const engines: Engine[] = [];
    let folder: string;
    let [exact, rounded]: Engine[] = [];

    before(async function () {
      const { exact: isExact } = await tryArithmetic(false);
      if (!isExact[arithmetic]) {
        console.log(`      skipped: this processor's sums of ${arithmetic} products overflow, and the engine takes another arithmetic`);
        this.skip();
      }
      folder = await mkdtemp(join(tmpdir(), 'lora-int8-'));
      await writeFile(join(folder, 'ink.safetensors'), await madeLora(join(ROOT, 'models/starter/unet/model.onnx')));
      const adapters = { ink: join(folder, 'ink.safetensors') };
      exact = await Engine.load({ model: 'starter', int8: false, adapters });
      engines.push(exact);
      rounded = await Engine.load({ model: 'starter', adapters }, { arithmetic });
      engines.push(rounded);
    });
    after(async () => {
      await Promise.all(engines.map((engine) => engine.close()));
      if (folder) await rm(folder, { recursive: true });
    });

    async function painted(engine: Engine, ink: number): Promise<RawImage[]> {
      const stream = await engine.createStream({
        mode: 'img2img',
        width: 256,
        height: 256,
        tIndexList: STEPS,
        cfgType: 'none',
        weights: { ink },
      });
      await stream.setPrompt({ prompt: 'hills at night, moon' });
      const outputs = [];
      for (const image of pictures) outputs.push(...(await stream.process({ image })));
      outputs.push(...(await stream.flush()));
      await stream.close();
      return outputs.map(({ image }) => image);
    }

    /** Mean over the pictures, dB. */
    const likeness = (some: RawImage[], others: RawImage[]): number =>
      some.reduce((sum, image, k) => sum + peakSignalToNoise(image, others[k]), 0) / some.length;

    it('paints what it paints in float32, as nearly as the model alone does', async () => {
      const [plain, inked] = [await painted(exact, 0), await painted(exact, 1)];
      const [alone, withInk] = [likeness(plain, await painted(rounded, 0)), likeness(inked, await painted(rounded, 1))];
      const changed = likeness(plain, inked);
      const figures = `it changes pictures to ${changed} dB, int8 without it ${alone}, with it ${withInk}`;
      assert.ok(alone > 38 && withInk > alone - 3, figures);
      assert.ok(changed < alone - 8, figures);
    });
  });
