import assert from 'node:assert/strict';
import type { CfgType, Output, StreamInput, StreamOptions } from '../../../engine';
import { SETTINGS } from '../../../engine/diffusion/options';
import { Engine } from '../../../engine/engine';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import type { DiffusionStream } from '../../../engine/stream/diffusion-stream';
import { controlCase, PATHS } from '../../lib/control-cases';
import { REFERENCE_MODEL, relativeError } from '../../lib/reference';

const reference = controlCase('control-two-self');
const PROMPT = { tokenIds: reference.tokenIds['a red sun over the sea'], negativeTokenIds: reference.tokenIds[''] };
const base: StreamOptions = { mode: 'img2img', width: 64, height: 64, tIndexList: [20, 40], cfgType: 'none' };

describe('control that is computed every Nth frame', () => {
  /** Rows that a net of the engine has computed. */
  const rows: Record<string, number> = {};
  let engine: Engine;
  before(async () => {
    const openNet =
      ({ name }: { name: string }): typeof OnnxNet.load =>
      async (...given) => {
        const net = await OnnxNet.load(...given);
        const run = net.run.bind(net);
        net.run = (feeds) => {
          rows[name] = (rows[name] ?? 0) + (feeds.sample?.dims[0] ?? 0);
          return run(feeds);
        };
        return net;
      };
    engine = await Engine.load({ model: REFERENCE_MODEL, adapters: { depth: PATHS.depth, lines: PATHS.lines } }, { openNet });
  });
  after(() => engine.close());

  /** Frames that each bring other pictures. */
  const frames = (count: number, change: (k: number) => Partial<StreamInput> = () => ({})): StreamInput[] =>
    Array.from({ length: count }, (_, k) => {
      const pictures = reference.pictures(k % 4);
      return { id: k, pictures, ...change(k) };
    });

  async function painted(options: Partial<StreamOptions>, inputs: StreamInput[]): Promise<Output[]> {
    rows['controlnet/depth'] = 0;
    const stream = await engine.createStream({ ...base, ...options });
    await stream.setPrompt(PROMPT);
    const outputs: Output[] = [];
    for (const input of inputs) outputs.push(...(await stream.process(input)));
    outputs.push(...(await stream.flush()));
    await stream.close();
    return outputs;
  }

  /** Which frames are painted as when every frame is computed. */
  function likeEvery(got: Output[], every: Output[]): boolean[] {
    return got.map(({ latent }, k) => relativeError(latent, every[k].latent) <= 1e-4);
  }

  it('costs one row of N, and those between follow the picture of the one that was computed', async () => {
    const every = await painted({}, frames(7));
    assert.equal(rows['controlnet/depth'], 14);
    const third = await painted({ controlEvery: 3 }, frames(7));
    assert.equal(rows['controlnet/depth'], 6, 'frames 0, 3 and 6, two steps each');
    assert.deepEqual(likeEvery(third, every), [true, false, false, true, false, false, true]);
    const one = await painted({ controlEvery: { depth: 1, lines: 1, nobody: 5 } }, frames(7));
    assert.deepEqual(likeEvery(one, every), Array(7).fill(true));
  });

  it('of one adapter alone', async () => {
    await painted({ controlEvery: { depth: 2 } }, frames(4));
    assert.equal(rows['controlnet/depth'], 4);
    await painted({ controlEvery: { lines: 2 } }, frames(4));
    assert.equal(rows['controlnet/depth'], 8);
  });

  it('changes nothing where nothing changes', async () => {
    const still = frames(4).map(({ id }) => ({ id, pictures: reference.pictures(0) }));
    const [every, second] = [await painted({}, still), await painted({ controlEvery: 4 }, still)];
    assert.deepEqual(likeEvery(second, every), Array(4).fill(true));
    assert.equal(rows['controlnet/depth'], 2);
  });

  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[])
    it(`stream batch equals sequential: ${cfgType}`, async () => {
      const changing = frames(7, (k) => ({ params: { weights: { depth: 1 - 0.3 * k, lines: 0.2 * k } } }));
      for (const tIndexList of [[30], [20, 40], [0, 16, 32, 45]])
        for (const frameBufferSize of [1, 2]) {
          const options = { cfgType, tIndexList, guidanceScale: 1.4, controlEvery: { depth: 2, lines: 3 }, frameBufferSize };
          const [batched, single] = [await painted(options, changing), await painted({ ...options, useDenoisingBatch: false }, changing)];
          assert.equal(batched.length, 7);
          assert.deepEqual(likeEvery(batched, single), Array(7).fill(true), `${tIndexList} steps, ${frameBufferSize} at once`);
        }
    });

  it('strengths are of each frame its own, also between', async () => {
    const off = { weights: { depth: 0, lines: 0 } };
    const swept = await painted(
      { controlEvery: 4 },
      frames(4, (k) => (k === 2 ? { params: off } : {})),
    );
    const plain = await painted(off, frames(4));
    assert.deepEqual(swept[2].latent, plain[2].latent, 'strength 0 is none, to the byte');
  });

  it('begins anew with the first picture after frames without one, after strength 0, and at another size', async () => {
    const without = (k: number): Partial<StreamInput> => (k === 1 ? { pictures: { image: reference.pictures(1).image } } : {});
    const every = await painted({}, frames(3, without));
    assert.deepEqual(likeEvery(await painted({ controlEvery: 9 }, frames(3, without)), every), [true, true, true]);
    const resting = (k: number): Partial<StreamInput> => (k === 1 ? { params: { weights: { depth: 0, lines: 0 } } } : {});
    assert.deepEqual(likeEvery(await painted({ controlEvery: 9 }, frames(3, resting)), await painted({}, frames(3, resting))), [
      true,
      true,
      true,
    ]);
    const larger = (k: number): Partial<StreamInput> => (k >= 1 ? { params: { width: 128 } } : {});
    const sizes = await painted({ controlEvery: 9 }, frames(3, larger));
    assert.deepEqual(likeEvery(sizes, await painted({}, frames(3, larger))), [true, true, false]);
  });

  it('begins anew after a reset', async () => {
    const stream = (await engine.createStream({ ...base, tIndexList: [30], controlEvery: 9 })) as DiffusionStream;
    await stream.setPrompt(PROMPT);
    rows['controlnet/depth'] = 0;
    for (const input of frames(2)) await stream.process(input);
    assert.equal(rows['controlnet/depth'], 1);
    await stream.reset();
    await stream.process(frames(2)[1]);
    assert.equal(rows['controlnet/depth'], 2);
    await stream.close();
  });

  it('is told by a whole number, or by numbers by name, also as texts', () => {
    const { parse, isValid } = SETTINGS.controlEvery;
    assert.equal(parse('3'), 3);
    assert.deepEqual(parse('edges: 2, depth: 4'), { edges: 2, depth: 4 });
    assert.deepEqual(parse({ edges: '2' }), { edges: 2 });
    for (const bad of [0, -1, 1.5, 65, Number.NaN, Infinity, 'often', null, [2], { edges: 0 }, { edges: NaN }, { edges: 'x' }])
      assert.ok(!isValid(parse(bad)), JSON.stringify(bad));
  });
});
