import assert from 'node:assert/strict';
import { Engine } from '../../../engine/engine';
import type { DiffusionStream } from '../../../engine/stream/diffusion-stream';
import type { PromptSpec } from '../../../engine/prompt/request';
import { onTheWay, type Target } from '../../../engine/prompt/transition';
import type { Output, RawImage } from '../../../engine/types';
import { decode } from '../../../engine/image/codec';
import { testCard } from '../../../nodes/lib/source/test-card';

const SIZE = 256;
const FRAMES = 50;
const of = (text: string): Target => ({ prompt: [{ text, weight: 1 }] });
const [DAY, NIGHT, CASTLE, STORM] = [of('day, desert'), of('night, aurora, snow'), of('pastel castle on a hill'), of('storm over the sea')];

/** What a transition showed: one entry a frame. */
interface Shown {
  embedding: Float32Array;
  output: Output;
}

describe('transitions in pictures, with the embedded model at its own size', function () {
  this.timeout(120_000);
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({ model: 'starter' });
  });
  after(() => engine.close());

  const card = (k: number): Promise<RawImage> => decode({ kind: 'encoded', data: Buffer.from(testCard(40 * k, SIZE, SIZE)) }, SIZE, SIZE);
  const open = (tIndexList = [25, 37], mode: 'img2img' | 'txt2img' = 'img2img'): Promise<DiffusionStream> =>
    engine.createStream({ mode, width: SIZE, height: SIZE, tIndexList });

  /** As the host does it: encodes, and lets the frame in. */
  async function show(stream: DiffusionStream, requests: PromptSpec[], picture: (k: number) => Promise<RawImage>): Promise<Shown[]> {
    const embeddings: Float32Array[] = [];
    const outputs: Output[] = [];
    for (const [k, request] of requests.entries()) {
      const conditioning = await stream.encodePrompt(request);
      embeddings.push(conditioning.positive.hiddenStates);
      const image = stream.options.mode === 'img2img' ? await picture(k) : undefined;
      outputs.push(...(await stream.process({ conditioning, image })));
      // Probes are looked at beside the frames.
      await new Promise((turn) => setImmediate(turn));
    }
    outputs.push(...(await stream.flush()));
    return outputs.map((output, k) => ({ embedding: embeddings[k], output }));
  }

  const way = (from: PromptSpec, to: Target, frames = FRAMES, pace?: 'embedding'): PromptSpec[] =>
    Array.from({ length: frames + 1 }, (_, k) => onTheWay(from, to, k / frames, { pace }));

  function steps(shown: Shown[], of: (each: Shown) => Float32Array | Uint8Array): number[] {
    return shown.slice(1).map((each, k) => distance(of(each), of(shown[k])));
  }

  const MEASURES = {
    embeddings: ({ embedding }: Shown) => embedding,
    latents: ({ output }: Shown) => output.latent,
    pixels: ({ output }: Shown) => output.image.data,
  };

  for (const [name, from, to, list, moves] of [
    ['day to night, over a still picture', DAY, NIGHT, [25, 37], false],
    ['castle to sea, over a still picture, one step', CASTLE, STORM, [18], false],
    ['day to night, over a moving picture', DAY, NIGHT, [25, 37], true],
  ] as const) {
    it(`take no step larger than 1.5 times the mean: ${name}`, async () => {
      const stream = await open([...list]);
      const first = await card(0);
      const shown = await show(stream, way(from, to), moves ? card : async () => first);
      await stream.close();
      for (const [measure, value] of Object.entries(MEASURES)) {
        assert.ok(unevenness(steps(shown, value)) <= 1.5, `${measure}: ${unevenness(steps(shown, value))}`);
      }
    });
  }

  for (const [name, from, to, list, frames] of [
    ['one step', DAY, NIGHT, [0], 50],
    ['two steps', of('sunset over the sea'), of('day, forest'), [0, 25], 100],
    ['four steps, where pictures nearly jump', CASTLE, STORM, [0, 12, 25, 37], 100],
  ] as const) {
    it(`take no step larger than 1.5 times the mean out of pure noise: ${name}`, async () => {
      const stream = await open([...list], 'txt2img');
      const shown = await show(stream, way(from, to, frames), () => card(0));
      await stream.close();
      for (const [measure, value] of Object.entries(MEASURES)) {
        assert.ok(unevenness(steps(shown, value)) <= 1.5, `${measure}: ${unevenness(steps(shown, value))}`);
      }
    });
  }

  it('show out of pure noise what each prompt shows alone, and in between a mixture of pictures that lie on the way', async () => {
    const stream = await open([0, 25], 'txt2img');
    const shown = await show(stream, [DAY, ...way(DAY, NIGHT, 40), NIGHT], () => card(0));
    await stream.close();
    const alone: Output[] = [];
    for (const target of [DAY, NIGHT]) {
      const still = await open([0, 25], 'txt2img');
      alone.push((await show(still, [target], () => card(0)))[0].output);
      await still.close();
    }
    const apart = distance(alone[0].latent, alone[1].latent);
    for (const [k, expected] of [
      [0, 0],
      [1, 0],
      [41, 1],
      [42, 1],
    ])
      assert.ok(distance(shown[k].output.latent, alone[expected].latent) < 1e-4 * apart, `frame ${k}`);
    assert.ok(
      distance(shown[21].output.latent, alone[0].latent) > 0.2 * apart && distance(shown[21].output.latent, alone[1].latent) > 0.2 * apart,
    );
  });

  it('jump where they go at the pace of the embeddings: there is something to even out', async () => {
    const stream = await open();
    const first = await card(0);
    const shown = await show(stream, way(DAY, NIGHT, FRAMES, 'embedding'), async () => first);
    await stream.close();
    assert.ok(unevenness(steps(shown, MEASURES.embeddings)) < 1.01);
    assert.ok(unevenness(steps(shown, MEASURES.pixels)) > 1.5, `${unevenness(steps(shown, MEASURES.pixels))}`);
  });

  it('go on from where they are to another target', async () => {
    const stream = await open();
    const first = await card(0);
    const half = way(DAY, NIGHT).slice(0, 25);
    const shown = await show(stream, [...half, ...way(half[24], STORM)], async () => first);
    await stream.close();
    const all = steps(shown, MEASURES.pixels);
    const mean = all.reduce((sum, step) => sum + step, 0) / all.length;
    assert.ok(all[24] < 0.2 * mean, `where it turns it stays: a step of ${all[24]}, ${mean} on average`);
    assert.ok(unevenness(all.slice(25)) <= 1.5, `${unevenness(all.slice(25))}`);
  });

  it('cost other frames nothing: the pictures before and after are the same as without', async () => {
    const first = await card(0);
    const outputs: Output[][] = [];
    for (const pace of [undefined, 'embedding'] as const) {
      const stream = await open();
      const requests = [DAY, DAY, ...way(DAY, NIGHT, 20, pace).slice(1), NIGHT, NIGHT, NIGHT];
      outputs.push((await show(stream, requests, async () => first)).map(({ output }) => output));
      await stream.close();
    }
    for (const k of [0, 1, 23, 24])
      assert.ok(distance(outputs[0][k].latent, outputs[1][k].latent) < 1e-4 * Math.hypot(...outputs[1][k].latent), `frame ${k}`);
  });
});

function unevenness(steps: number[]): number {
  return Math.max(...steps) / (steps.reduce((sum, step) => sum + step, 0) / steps.length);
}

function distance(a: Float32Array | Uint8Array, b: Float32Array | Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}
