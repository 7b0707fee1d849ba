import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CfgType, Output, RawImage, StreamInput, StreamOptions } from '../../../../engine';
import { Engine } from '../../../../engine/engine';
import { brightness } from '../../../lib/brightness-adapter';
import { assertSameFrames, LAW_OPTIONS, outputsOf, STEPS } from '../../../lib/laws';
import { recording, REFERENCE_MODEL, relativeError } from '../../../lib/reference';

const reference = recording('img2img-4step-self');
const PROMPT = { tokenIds: reference.token_ids['a red sun over the sea'], negativeTokenIds: reference.token_ids[''] };
const grey = (level: number, side = 64): RawImage => ({
  data: new Uint8Array(side * side * 3).fill(level),
  width: side,
  height: side,
  channels: 3,
});

describe('adapters', () => {
  let folder: string;
  let path: string;
  let engine: Engine;
  let plain: Engine;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adapter-'));
    path = join(folder, 'mine.brightness');
    await writeFile(path, '');
    engine = await load({ light: path, 'second one': path });
    plain = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(async () => {
    await Promise.all([engine.close(), plain.close()]);
    await rm(folder, { recursive: true });
  });

  const load = (adapters: Record<string, string>): Promise<Engine> =>
    Engine.load({ model: REFERENCE_MODEL, adapters }, { adapterKinds: [brightness] });

  /** What a frame brings, each something else. */
  const frames = (count: number): StreamInput[] =>
    Array.from({ length: count }, (_, k) => ({
      id: k,
      image: reference.frame(k),
      pictures:
        k % 3 === 2 ? undefined : { light: grey(40 * k + 10, 64 + 32 * (k % 2)), ...(k % 2 === 0 && { 'second one': grey(255 - 30 * k) }) },
      params: { weights: { light: k % 4 === 3 ? 0 : 2 - k / 2, 'second one': k / 4 } },
    }));

  const run = (on: Engine, options: Partial<StreamOptions>, inputs: StreamInput[]): Promise<Output[]> =>
    outputsOf(on, options, PROMPT, inputs);

  it('are told by name and kind', () => {
    assert.deepEqual(engine.info.adapters, [
      { name: 'light', kind: 'brightness', picture: 'frame' },
      { name: 'second one', kind: 'brightness', picture: 'frame' },
    ]);
    assert.deepEqual(plain.info.adapters, []);
  });

  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
    it(`stream batch equals sequential with pictures and weights of each frame its own: ${cfgType}`, async () => {
      for (const [count, tIndexList] of Object.entries(STEPS)) {
        const options = { cfgType, tIndexList, guidanceScale: 1.4, delta: 0.7 };
        const batched = await run(engine, options, frames(7));
        assertSameFrames(batched, await run(engine, { ...options, useDenoisingBatch: false }, frames(7)), `${count} steps`);
        const without = await run(
          plain,
          options,
          frames(7).map(({ id, image }) => ({ id, image })),
        );
        assert.ok(relativeError(batched[0].latent, without[0].latent) > 0.001, 'the adapters do something');
        // Frame 2 brings no picture for either of them.
        assertSameFrames([batched[2]], [without[2]], `without pictures, ${count} steps`);
      }
    });
  }

  it('of weight 0 change not a bit, and of weight 1 are as if nothing had been said', async () => {
    const inputs = frames(5).map(({ id, image, pictures }) => ({ id, image, pictures }));
    const off = await run(engine, { weights: { light: 0, 'second one': 0 } }, inputs);
    const without = await run(
      plain,
      {},
      inputs.map(({ id, image }) => ({ id, image })),
    );
    off.forEach(({ latent, image }, k) => {
      assert.deepEqual(latent, without[k].latent);
      assert.deepEqual(image.data, without[k].image.data);
    });
    const one = await run(engine, { weights: { light: 1, 'second one': 1 } }, inputs);
    const unsaid = await run(engine, {}, inputs);
    one.forEach(({ latent }, k) => assert.deepEqual(latent, unsaid[k].latent));
  });

  it('of two streams that share the UNet leave each other alone', async () => {
    const inputs = frames(6);
    const bare = inputs.map(({ id, image }) => ({ id, image }));
    const alone = [await run(engine, {}, inputs), await run(engine, {}, bare)];
    const together = await Promise.all([run(engine, {}, inputs), run(engine, {}, bare)]);
    together.forEach((outputs, k) => assertSameFrames(outputs, alone[k], `stream ${k}`));
  });

  it('take a weight live: those that it does not name keep theirs, and a frame in flight keeps its own', async () => {
    const stream = await engine.createStream({ ...LAW_OPTIONS, weights: { 'second one': 0.5 } });
    await stream.setPrompt(PROMPT);
    const input = { image: reference.frame(0), pictures: { light: grey(200), 'second one': grey(90) } };
    const outputs = await stream.process({ ...input, id: 'before' });
    await stream.update({ weights: { light: 3 } });
    outputs.push(...(await stream.process({ ...input, id: 'after' })), ...(await stream.flush()));
    assert.deepEqual(stream.options.weights, { 'second one': 0.5, light: 3 });
    await stream.close();
    const expected = await run(engine, {}, [
      { ...input, id: 'before', params: { weights: { 'second one': 0.5 } } },
      { ...input, id: 'after', params: { weights: { 'second one': 0.5, light: 3 } } },
    ]);
    assertSameFrames(outputs, expected, 'live');
    assert.ok(relativeError(outputs[0].latent, outputs[1].latent) > 0.001);
  });

  it('work on a net in int8, and with fixed sizes', async () => {
    for (const more of [
      { model: 'starter', int8: true },
      { model: REFERENCE_MODEL, fixedShapes: true },
    ]) {
      const other = await Engine.load({ ...more, adapters: { light: path } }, { adapterKinds: [brightness] });
      const stream = await other.createStream({ ...LAW_OPTIONS, width: 128, height: 128 });
      await stream.setPrompt(more.model === 'starter' ? { prompt: 'night' } : PROMPT);
      const [dark, light] = [0, 255].map((level) => ({
        image: grey(100, 128),
        pictures: { light: grey(level, 8) },
        params: { tIndexList: [30] },
      }));
      const outputs = [...(await stream.process(dark)), ...(await stream.process(light)), ...(await stream.flush())];
      assert.ok(relativeError(outputs[1].latent, outputs[0].latent) > 0.01);
      await other.close();
    }
  });

  it('that cannot be are refused by name, and what frames bring for none of them', async () => {
    const folderOf = async (name: string): Promise<string> => {
      await mkdir(join(folder, name), { recursive: true });
      return join(folder, name);
    };
    const refused = async (adapters: unknown, code: string, message: RegExp): Promise<void> => {
      await assert.rejects(load(adapters as Record<string, string>), { code, message });
    };
    await refused({ light: join(folder, 'nothing') }, 'EBADMODEL', /"light".*nothing/);
    await refused({ light: __filename }, 'EBADMODEL', /"light".*known kinds are brightness/);
    for (const file of ['a.safetensors', 'b.safetensors']) await writeFile(join(await folderOf('several'), file), '');
    await refused(
      { light: await folderOf('several') },
      'EBADMODEL',
      /"light".*2 \.safetensors files \(a\.safetensors, b\.safetensors\); leave only/,
    );
    await writeFile(join(await folderOf('pickled'), 'weights.bin'), '');
    await refused({ light: await folderOf('pickled') }, 'EBADMODEL', /"light".*PyTorch's own format \(weights\.bin\).*\.safetensors/);
    await refused({ image: path }, 'EBADPARAM', /"image"/);
    await refused({ 'a/b': path }, 'EBADPARAM', /"a\/b"/);
    await refused({ light: 5 }, 'EBADPARAM', /"light".*5/);
    await refused([path], 'EBADPARAM', /paths by names/);
    const stream = await engine.createStream(LAW_OPTIONS);
    await stream.setPrompt(PROMPT);
    const image = reference.frame(0);
    await assert.rejects(stream.process({ image, pictures: { depth: image } }), {
      code: 'EBADPARAM',
      message: /"depth".*light, second one/,
    });
    await assert.rejects(stream.process({ image, pictures: { light: { ...image, width: 5 } } }), { code: 'EBADFRAME', message: /light/ });
    await assert.rejects(stream.update({ weights: { depth: 1 } }), { code: 'EBADPARAM', message: /"depth".*light, second one/ });
    await assert.rejects(stream.update({ weights: { light: NaN } }), { code: 'EBADPARAM', message: /finite numbers.*light/ });
    assert.equal((await stream.process({ image, params: { tIndexList: [30] } })).length, 1);
    await stream.close();
  });
});
