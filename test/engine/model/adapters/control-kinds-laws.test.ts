import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CfgType, Engine, type StreamInput } from '../../../../engine';
import { controlCase } from '../../../lib/control-cases';
import { kindPath, modelWith, pictureOf, ROWS } from '../../../lib/control-kinds';
import { outputsOf, STEPS } from '../../../lib/laws';
import { relativeError } from '../../../lib/reference';

describe('laws of T2I-Adapters, ControlNeXts and ControlNets in a UNet', () => {
  const PROMPT = { tokenIds: controlCase('plain').tokenIds[''], negativeTokenIds: controlCase('plain').tokenIds['a red sun over the sea'] };
  const CASES: Record<string, { unet: string; adapters: Record<string, string>; names: [string, string] }> = {
    'files beside a plain UNet': {
      unet: 'sd',
      adapters: { t2i: kindPath('t2i-sd'), next: kindPath('controlnext') },
      names: ['t2i', 'next'],
    },
    'nets in a UNet': { unet: 'baked-diffusers', adapters: {}, names: ['control-1', 'control-2'] },
  };
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'control-kinds-laws-'));
  });
  after(() => rm(folder, { recursive: true }));

  for (const [what, { unet, adapters, names }] of Object.entries(CASES)) {
    const load = async (fixedShapes = false): Promise<Engine> =>
      Engine.load({ model: await modelWith(kindPath(unet), join(folder, unet)), adapters, fixedShapes });
    const frames = (): StreamInput[] =>
      Array.from({ length: 5 }, (_, k) => ({
        id: k,
        image: pictureOf(k % ROWS),
        pictures: {
          ...(k !== 3 && { [names[0]]: pictureOf((k + 1) % ROWS) }),
          ...(k % 2 === 0 && { [names[1]]: pictureOf(k % ROWS, true) }),
        },
        params: { weights: { [names[0]]: k === 1 ? 0 : 1 - 0.4 * k, [names[1]]: 0.5 * k - 0.6 } },
      }));

    it(`${what}: stream batch equals sequential, pictures and weights that change every frame`, async () => {
      const engine = await load();
      for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[])
        for (const tIndexList of Object.values(STEPS)) {
          const options = { cfgType, tIndexList, guidanceScale: 1.4 };
          const batched = await outputsOf(engine, options, PROMPT, frames());
          const single = await outputsOf(engine, { ...options, useDenoisingBatch: false }, PROMPT, frames());
          batched.forEach(({ latent }, k) =>
            assert.ok(relativeError(latent, single[k].latent) <= 1e-4, `${cfgType} ${tIndexList} frame ${k}`),
          );
          const plain = await outputsOf(
            engine,
            options,
            PROMPT,
            frames().map(({ id, image }) => ({ id, image })),
          );
          assert.ok(relativeError(plain[0].latent, batched[0].latent) > 0.001, 'they do something');
        }
      await engine.close();
    });

    it(`${what}: beside nets that are opened anew for every size, the same`, async () => {
      const [free, fixedOnes] = [await load(), await load(true)];
      const expected = await outputsOf(free, {}, PROMPT, frames());
      (await outputsOf(fixedOnes, {}, PROMPT, frames())).forEach(({ latent }, k) =>
        assert.ok(relativeError(latent, expected[k].latent) <= 1e-4, `frame ${k}`),
      );
      await Promise.all([free.close(), fixedOnes.close()]);
    });
  }
});
