import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CfgType, Engine, type Output, type StreamOptions } from '../../engine';
import type { StreamInput } from '../../engine/types';
import { controlCase, PATHS } from '../lib/control-cases';
import { assertSameFrames, LAW_OPTIONS, outputsOf, STEPS } from '../lib/laws';
import { REFERENCE_MODEL, relativeError } from '../lib/reference';
import { refused } from '../lib/refused-adapter';

const reference = controlCase('control-two-self');
const PROMPT = { tokenIds: reference.tokenIds['a red sun over the sea'], negativeTokenIds: reference.tokenIds[''] };
const ADAPTERS = { depth: PATHS.depth, lines: PATHS.lines, style: PATHS.style, detail: PATHS.detail, picture: PATHS.picture };
const OFF = { depth: 0, lines: 0, style: 0, detail: 0, picture: 0 };
const FRAMES = 5;

/** Frames that each bring other control pictures (some none) and other weights (some 0, some below). */
const changing: StreamInput[] = Array.from({ length: FRAMES }, (_, k) => {
  const { image, depth, lines } = reference.pictures(k);
  return {
    id: k,
    // All but the first with a prompt of their own, each with another picture.
    ...(k > 0 && { prompt: { ...PROMPT, images: { picture: k % 2 === 1 ? depth : lines } } }),
    pictures: { image, ...(k % 3 !== 2 && { depth }), ...(k % 2 === 0 && { lines }) },
    params: {
      weights: {
        depth: k === 3 ? 0 : 1.2 - 0.4 * k,
        lines: 0.3 * k - 0.4,
        style: 0.5 * k - 0.7,
        detail: k === 2 ? 0 : 0.8 - 0.3 * k,
        picture: k === 1 ? 1 : 0.5,
      },
    },
  };
});
const plainFrames: StreamInput[] = changing.map(({ id, pictures }) => ({ id, image: pictures?.image }));
const run = (engine: Engine, options: Partial<StreamOptions>, inputs: StreamInput[]): Promise<Output[]> =>
  outputsOf(engine, options, PROMPT, inputs);

describe('laws of control', () => {
  let engine: Engine;
  let plain: Engine;
  before(async () => {
    engine = await Engine.load({ model: REFERENCE_MODEL, adapters: ADAPTERS });
    plain = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(() => Promise.all([engine.close(), plain.close()]));

  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
    for (const steps of [1, 2, 4]) {
      it(`stream batch equals sequential: ${cfgType}, ${steps} step(s), pictures and weights that change every frame`, async () => {
        const options = { cfgType, tIndexList: STEPS[steps], guidanceScale: 1.5, delta: 0.7 };
        const batched = await run(engine, options, changing);
        assertSameFrames(batched, await run(engine, { ...options, useDenoisingBatch: false }, changing), 'the batch');
        for (const frame of [0, 3]) {
          const [alone] = await run(engine, options, [changing[frame]]);
          assertSameFrames([batched[frame]], [alone], 'alone');
        }
        const without = await run(plain, options, plainFrames);
        assert.ok(
          batched.some(({ latent }, k) => relativeError(latent, without[k].latent) > 0.01),
          'control changes the pictures',
        );
      });
    }
  }

  it('weight 0 equals no adapter, to the byte', async () => {
    const off = changing.map((input) => ({ ...input, params: { weights: OFF } }));
    for (const cfgType of ['none', 'full', 'self'] as CfgType[]) {
      const [expected, got] = [await run(plain, { cfgType }, plainFrames), await run(engine, { cfgType }, off)];
      got.forEach(({ latent, image }, k) => {
        assert.deepEqual(latent, expected[k].latent);
        assert.deepEqual(image.data, expected[k].image.data);
      });
    }
  });

  it('no picture equals no adapter, to the byte', async () => {
    const [expected, got] = [await run(plain, {}, plainFrames), await run(engine, { weights: { style: 0, detail: 0 } }, plainFrames)];
    got.forEach(({ latent }, k) => {
      assert.deepEqual(latent, expected[k].latent);
    });
  });

  it('streams with control and without share calls, and do not change each other', async () => {
    const without = { cfgType: 'self' as const, weights: OFF };
    const alone = [await run(engine, {}, changing), await run(engine, without, plainFrames)];
    const together = await Promise.all([run(engine, {}, changing), run(engine, without, plainFrames)]);
    assertSameFrames(together[0], alone[0], 'with control');
    assertSameFrames(together[1], alone[1], 'without');
    assertSameFrames(together[1], await run(plain, { cfgType: 'self' }, plainFrames), 'without, beside an engine that has none');
  });

  // The random ControlNet is so strong that a thirtieth of it covers most others.
  for (const [name, most] of Object.entries({ depth: 0.02, style: 1, detail: 1, picture: 1 }))
    it(`a strength that is swept with every frame shows no jump and loses nothing: ${name}`, async () => {
      const { image, depth } = reference.pictures(0);
      const prompt = { ...PROMPT, images: { picture: depth } };
      const swept: StreamInput[] = Array.from({ length: 31 }, (_, k) => ({
        id: k,
        prompt,
        pictures: { image, depth },
        params: { weights: { ...OFF, [name]: (most * k) / 30 } },
      }));
      const outputs = await run(engine, {}, swept);
      assert.deepEqual(
        outputs.map(({ id }) => id),
        swept.map(({ id }) => id),
      );
      const way = relativeError(outputs[30].latent, outputs[0].latent);
      assert.ok(way > 0.01, 'it does something');
      outputs.slice(1).forEach(({ latent, id }, k) => {
        const step = relativeError(latent, outputs[k].latent);
        assert.ok(step > 0 && step <= way / 5, `frame ${id} is ${step} from the one before, of ${way} in all`);
      });
      for (const k of [0, 15, 30]) assertSameFrames([outputs[k]], await run(engine, {}, [swept[k]]), 'alone');
    });

  it('refuses strengths that are not numbers with the frame that brings them, and paints the next one', async () => {
    const stream = await engine.createStream({ ...LAW_OPTIONS, tIndexList: STEPS[1] });
    await stream.setPrompt(PROMPT);
    const { image } = reference.pictures(0);
    const bad: unknown[] = [NaN, Infinity, -Infinity, '1', '', null, true, {}, [1], 1n];
    for (const value of bad)
      for (const name of ['depth', 'style', 'picture']) {
        const params = { weights: { [name]: value as number } };
        await assert.rejects(stream.process({ id: 'bad', image, params }), { code: 'EBADPARAM' }, `${name}: ${String(value)}`);
        await assert.rejects(engine.createStream({ ...LAW_OPTIONS, ...params }), { code: 'EBADPARAM' });
      }
    const [{ id, latent }] = await stream.process({ id: 'good', image });
    assert.equal(id, 'good');
    assert.ok(latent.every(Number.isFinite));
    await stream.close();
  });

  it('takes control pictures of any size', async () => {
    const { image, depth } = reference.pictures(0);
    const big = { data: new Uint8Array(3 * 160 * 96).fill(128), width: 160, height: 96, channels: 3 as const };
    const outputs = await run(engine, { tIndexList: STEPS[1] }, [
      { id: 0, pictures: { image, depth } },
      { id: 1, pictures: { image, depth: big } },
    ]);
    assert.ok(outputs.every(({ latent }) => latent.every(Number.isFinite)));
    assert.ok(relativeError(outputs[1].latent, outputs[0].latent) > 1e-3);
  });

  it('refuses weights that are not numbers, and names that no adapter has', async () => {
    const stream = await engine.createStream(LAW_OPTIONS);
    const bad: Record<string, number>[] = [
      { depth: Number.NaN },
      { depth: Number.POSITIVE_INFINITY },
      { edges: 1 },
      { depth: '1' as unknown as number },
    ];
    for (const weights of bad) await assert.rejects(stream.update({ weights }), { code: 'EBADPARAM' });
    await stream.setPrompt(PROMPT);
    await stream.process({ image: reference.pictures(0).image });
    assert.equal((await stream.flush()).length, 1);
  });
});

describe('files of control', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'control-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('say what is wrong with them', async () => {
    await writeFile(join(folder, 'torn.onnx'), Buffer.from([0x0a, 0xff]));
    await writeFile(join(folder, 'note.txt'), 'a note');
    await refused(join(folder, 'torn.onnx'), /torn/);
    await refused(join(folder, 'note.txt'), /is of no known kind; known kinds are .*controlnet/);
    await refused(join(folder, 'nowhere'), /no file or folder/);
    await refused(join(REFERENCE_MODEL, 'unet'), /is of no known kind/);
    await refused(folder, /./);
  });

  it('that lie in the model folder as controlnet/NAME are found, and off without a picture', async () => {
    const model = join(folder, 'model');
    await cp(REFERENCE_MODEL, model, { recursive: true });
    await cp(PATHS.depth, join(model, 'controlnet', 'depth'), { recursive: true });
    const engine = await Engine.load({ model });
    assert.deepEqual(engine.info.adapters, [{ name: 'depth', kind: 'controlnet', picture: 'frame' }]);
    const plain = await Engine.load({ model: REFERENCE_MODEL });
    const [off, expected] = [await run(engine, {}, plainFrames), await run(plain, {}, plainFrames)];
    off.forEach(({ latent }, k) => {
      assert.deepEqual(latent, expected[k].latent);
    });
    const [on] = await run(
      engine,
      {},
      [{ id: 0, pictures: reference.pictures(0) }].map(({ id, pictures: { image, depth } }) => ({ id, pictures: { image, depth } })),
    );
    assert.ok(relativeError(on.latent, off[0].latent) > 0.01);
    await Promise.all([engine.close(), plain.close()]);
  });

  it('that lie there and cannot be used leave the model usable, and are told', async () => {
    const model = join(folder, 'model with a torn one');
    await cp(REFERENCE_MODEL, model, { recursive: true });
    await cp(join(folder, 'torn.onnx'), join(model, 'controlnet', 'torn', 'model.onnx'));
    const engine = await Engine.load({ model });
    assert.deepEqual(engine.info.adapters, []);
    await engine.close();
  });
});
