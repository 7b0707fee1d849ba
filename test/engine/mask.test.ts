import assert from 'node:assert/strict';
import { type CfgType, Engine, type Output, type RawImage, type Stream, type StreamOptions } from '../../engine';
import { paintMask } from '../../engine/stream/paint-mask';
import { LAW_OPTIONS, outputsOf, STEPS } from '../lib/laws';
import { recording, REFERENCE_MODEL, relativeError } from '../lib/reference';

const SIZE = 64;
const reference = recording('img2img-4step-self');
const PROMPT = { tokenIds: reference.token_ids['a red sun over the sea'], negativeTokenIds: reference.token_ids[''] };
const CFG_TYPES: CfgType[] = ['none', 'full', 'self', 'initialize'];
const frames = Array.from({ length: 5 }, (_, k) => reference.frame(k));

/** White where `isPainted`, else black. */
function mask(isPainted: (x: number, y: number) => boolean, size = SIZE): RawImage {
  const data = new Uint8Array(3 * size * size);
  for (let at = 0; at < size * size; at++) if (isPainted(at % size, Math.floor(at / size))) data.fill(255, 3 * at, 3 * at + 3);
  return { data, width: size, height: size, channels: 3 };
}

const black = mask(() => false);
const white = mask(() => true);
const rightHalf = mask((x) => x >= SIZE / 2);
/** Another one for every frame. */
const moving = frames.map((_, k) => mask((x, y) => x >= 10 * k && y < 50));

describe('a mask', () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(() => engine.close());

  async function open(options: Partial<StreamOptions> = {}): Promise<Stream> {
    const stream = await engine.createStream({ ...LAW_OPTIONS, ...options });
    await stream.setPrompt(PROMPT);
    return stream;
  }

  async function run(options: Partial<StreamOptions>, masks: (RawImage | undefined)[] = []): Promise<Output[]> {
    const inputs = frames.map((image, id) => ({
      image,
      id,
      ...(masks[id % masks.length] && { pictures: { mask: masks[id % masks.length] as RawImage } }),
    }));
    const outputs = await outputsOf(engine, options, PROMPT, inputs);
    assert.deepEqual(
      outputs.map(({ id }) => id),
      [0, 1, 2, 3, 4],
    );
    return outputs;
  }

  /** The columns from..to of a picture. */
  const columns = ({ data, width }: RawImage, from: number, to: number): Uint8Array =>
    data.filter((_, at) => {
      const x = Math.floor(at / 3) % width;
      return x >= from && x < to;
    });

  for (const cfgType of CFG_TYPES) {
    it(`of black returns every frame to the byte: ${cfgType}`, async () => {
      for (const tIndexList of Object.values(STEPS)) {
        for (const more of [{}, { scheduler: 'tcd' as const }, { doAddNoise: false }, { feedback: 0.5, latentFeedback: 0.3 }]) {
          const outputs = await run({ cfgType, tIndexList, guidanceScale: 1.4, ...more }, [black]);
          outputs.forEach(({ image }, k) =>
            assert.deepEqual(image.data, frames[k].data, `${JSON.stringify(more)} ${tIndexList.length} ${k}`),
          );
        }
      }
    });

    it(`of white equals none to the byte: ${cfgType}`, async () => {
      for (const tIndexList of Object.values(STEPS)) {
        const [masked, plain] = [await run({ cfgType, tIndexList }, [white]), await run({ cfgType, tIndexList })];
        plain.forEach(({ image, latent }, k) => {
          assert.deepEqual(masked[k].image.data, image.data);
          assert.deepEqual(masked[k].latent, latent);
        });
      }
    });

    it(`that changes with every frame: stream batch equals sequential: ${cfgType}`, async () => {
      for (const [tIndexList, frameBufferSize] of [
        [STEPS[2], 1],
        [STEPS[4], 1],
        [STEPS[4], 2],
      ] as const) {
        const options = { cfgType, tIndexList: [...tIndexList], frameBufferSize, guidanceScale: 1.4 };
        const batched = await run({ ...options, useDenoisingBatch: true }, moving);
        const alone = await run({ ...options, useDenoisingBatch: false }, moving);
        batched.forEach(({ latent }, k) => assert.ok(relativeError(latent, alone[k].latent) <= 1e-4, `frame ${k}`));
        const unmasked = await run({ ...options, useDenoisingBatch: true });
        assert.ok(relativeError(batched[2].latent, unmasked[2].latent) > 0.01, 'it does something');
      }
    });
  }

  it('keeps what is black to the byte, and paints what is white', async () => {
    const [masked, plain] = [await run({ tIndexList: STEPS[4] }, [rightHalf]), await run({ tIndexList: STEPS[4] })];
    masked.forEach(({ image }, k) => {
      assert.deepEqual(columns(image, 0, SIZE / 2), columns(frames[k], 0, SIZE / 2));
      const [ours, incoming, free] = [image, frames[k], plain[k].image].map((each) => columns(each, SIZE / 2 + 16, SIZE));
      assert.ok(relativeError(Float32Array.from(ours), Float32Array.from(incoming)) > 0.02, 'it is painted');
      assert.ok(relativeError(Float32Array.from(ours), Float32Array.from(free)) > 1e-3, 'so as to fit what is beside it');
    });
  });

  it('has a soft border inside of what is white, as wide as was asked for', () => {
    const shape = { height: SIZE / 8, width: SIZE / 8 };
    const row = (feather: number): number[] => [...(paintMask(rightHalf, feather, shape)?.pixels.slice(0, SIZE) ?? [])];
    const partly = (values: number[]): number => values.filter((value) => value > 0 && value < 255).length;
    assert.equal(partly(row(0)), 0);
    assert.ok(partly(row(2)) > 2 && partly(row(2)) < partly(row(6)));
    for (const feather of [0, 2, 6, 64]) {
      assert.ok(
        row(feather)
          .slice(0, SIZE / 2)
          .every((value) => value === 0),
      );
      assert.deepEqual(
        row(feather),
        [...row(feather)].sort((a, b) => a - b),
      );
    }
    assert.equal(paintMask(white, 6, shape), undefined);
    assert.deepEqual(new Set(paintMask(black, 6, shape)?.latent), new Set([0]));
  });

  it('belongs to its frame alone, and changes no other stream that shares the calls', async () => {
    const plain = await run({});
    const some = await run({}, [undefined, rightHalf, undefined]);
    for (const k of [0, 2, 3]) assert.deepEqual(some[k].latent, plain[k].latent, `frame ${k}`);
    assert.ok(relativeError(some[1].latent, plain[1].latent) > 0.01);
    const [masked, other] = await Promise.all([run({}, [rightHalf]), run({})]);
    other.forEach(({ latent }, k) => assert.ok(relativeError(latent, plain[k].latent) <= 1e-4));
    masked.forEach(({ image }, k) => assert.deepEqual(columns(image, 0, SIZE / 2), columns(frames[k], 0, SIZE / 2)));
  });

  it('of another size is cropped as the picture is, and no picture is an error after which the stream goes on', async () => {
    const stream = await open({ tIndexList: STEPS[1] });
    const larger = mask((x) => x >= SIZE, 2 * SIZE);
    const [{ image }] = await stream.process({ image: frames[0], pictures: { mask: larger } });
    assert.deepEqual(columns(image, 0, SIZE / 2 - 2), columns(frames[0], 0, SIZE / 2 - 2));
    for (const bad of [{ ...black, data: new Uint8Array(5) }, { ...black, width: 0 }, 'white' as unknown as RawImage]) {
      await assert.rejects(stream.process({ image: frames[0], pictures: { mask: bad } }), { code: 'EBADFRAME' });
    }
    await assert.rejects(stream.update({ maskFeather: 65 }), { code: 'EBADPARAM' });
    assert.equal((await stream.process({ image: frames[0] })).length, 1);
    await stream.close();
  });

  it('is not for pictures from text', async () => {
    const stream = await open({ mode: 'txt2img', tIndexList: STEPS[1] });
    assert.equal((await stream.process({ pictures: { mask: black } })).length, 1);
    await stream.close();
  });
});
