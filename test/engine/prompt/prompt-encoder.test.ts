import assert from 'node:assert/strict';
import { Engine } from '../../../engine/engine';
import type { LocalNet, Net } from '../../../engine/net/net';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import type { DiffusionStream } from '../../../engine/stream/diffusion-stream';
import type { PromptSpec, Transition, WeightedText } from '../../../engine/prompt/request';
import { relativeError } from '../../lib/reference';

const of = (text: string, weight = 1): WeightedText => ({ text, weight });
const DAY: PromptSpec = { prompt: [of('day, desert')], negativePrompt: [of('fog')] };
const NIGHT: PromptSpec = { prompt: [of('night, aurora'), of('snow', 3)], blend: 'slerp' };

describe('prompt encoder of the embedded model', () => {
  let engine: Engine;
  let stream: DiffusionStream;
  let runs = 0;
  /** What a run of the text encoder waits for. */
  let pause: Promise<void> = Promise.resolve();

  before(async () => {
    const openNet =
      ({ name }: { name: string }) =>
      async (...args: Parameters<typeof OnnxNet.load>): Promise<LocalNet> => {
        const net = await OnnxNet.load(...args);
        if (name !== 'text_encoder') return net;
        const run: Net['run'] = async (feeds) => {
          runs++;
          await pause;
          return net.run(feeds);
        };
        return { inputs: net.inputs, outputs: net.outputs, run, runPixels: (...args) => net.runPixels(...args), close: () => net.close() };
      };
    engine = await Engine.load({ model: 'starter', intraOpNumThreads: 1 }, { openNet });
    stream = await engine.createStream({ mode: 'txt2img', width: 64, height: 64, tIndexList: [20], cfgType: 'none' });
  });
  after(() => engine.close());

  const positive = async (request: PromptSpec): Promise<Float32Array> => (await stream.encodePrompt(request)).positive.hiddenStates;
  const way = (from: PromptSpec, position: number, method?: Transition['method']): PromptSpec => ({
    ...NIGHT,
    transition: { from, position, method },
  });

  it('takes a transition from what it leaves to its target, negative prompts too', async () => {
    const [day, night, half] = [await stream.encodePrompt(DAY), await stream.encodePrompt(NIGHT), await stream.encodePrompt(way(DAY, 0.5))];
    const middle = (a: Float32Array, b: Float32Array): Float32Array => a.map((x, i) => (x + b[i]) / 2);
    assert.ok(relativeError(half.positive.hiddenStates, middle(day.positive.hiddenStates, night.positive.hiddenStates)) < 1e-6);
    assert.ok(day.negative && night.negative && half.negative);
    assert.ok(relativeError(half.negative.hiddenStates, middle(day.negative.hiddenStates, night.negative.hiddenStates)) < 1e-6);
    assert.equal(await positive(way(DAY, 0)), day.positive.hiddenStates);
    assert.equal(await positive(way(DAY, 1)), night.positive.hiddenStates);
  });

  it('starts a transition from the middle of another where that one was', async () => {
    const inTheMiddle = way(DAY, 0.4, 'slerp');
    const there = await positive(inTheMiddle);
    const further: PromptSpec = { prompt: [of('sunset over the sea')], transition: { from: inTheMiddle, position: 1e-7 } };
    assert.ok(relativeError(await positive(further), there) < 1e-5);
  });

  it('runs the text encoder for new texts alone: not for weights, blends, transitions or what was there before', async () => {
    await stream.encodePrompt(DAY);
    await stream.encodePrompt(NIGHT);
    const before = runs;
    for (let k = 0; k <= 20; k++) {
      await stream.setPrompt(way(DAY, k / 20));
      await stream.process();
      await stream.encodePrompt({ prompt: [of('night, aurora', k), of('snow', 20 - k)], blend: 'cosine' });
    }
    await stream.encodePrompt(DAY);
    assert.equal(runs, before);
  });

  it('encodes the newest of the prompts that come too fast, and none of those between', async () => {
    await stream.setPrompt({ prompt: 'dawn' });
    const before = runs;
    let go = (): void => undefined;
    pause = new Promise((resolve) => (go = resolve));
    const changes = Array.from({ length: 200 }, (_, k) =>
      stream.setPrompt({ prompt: `hills ${'and trees '.repeat(k % 7)}`, negativePrompt: `number ${k}` }),
    );
    const last = stream.setPrompt({ prompt: 'storm over the sea' });
    go();
    await Promise.all([...changes, last]);
    assert.equal(runs - before, 1);
    const [{ latent }] = await stream.process();
    await stream.setPrompt({ prompt: 'storm over the sea' });
    assert.deepEqual((await stream.process())[0].latent, latent);
  });

  it('keeps a frame from entering before the prompts that were there first', async () => {
    await stream.setPrompt({ prompt: 'pastel castle on a hill' });
    const [{ latent: castle }] = await stream.process();
    await stream.setPrompt({ prompt: 'desert, day' });
    const changed = stream.setPrompt({ prompt: 'pastel castle on a hill' });
    const frame = stream.process();
    const overtaking = stream.setPrompt({ prompt: 'desert, day' });
    await Promise.all([changed, overtaking]);
    const [{ latent: desert }] = await stream.process();
    const [{ latent }] = await frame;
    assert.ok([castle, desert].some((known) => relativeError(latent, known) < 1e-6));
  });

  it('says what of a prompt the model does not see', async () => {
    await stream.setPrompt({ prompt: 'zeppelin over the (sea:1.2)', negativePrompt: 'zeppelin' });
    assert.deepEqual(stream.warnings, ['This model does not know: zeppelin.']);
    await stream.setPrompt({ prompt: 'sea' });
    assert.deepEqual(stream.warnings, []);
  });

  it('refuses blends and transitions that cannot be', async () => {
    const bad: unknown[] = [
      { prompt: [of('a', NaN), of('b')] },
      { prompt: [of('a')], blend: 'loud' },
      { prompt: [of('a')], transition: { from: DAY, position: NaN } },
      { prompt: [of('a')], transition: { from: DAY, position: 0.5, method: 'jump' } },
      { prompt: 5 },
    ];
    for (const request of bad)
      await assert.rejects(stream.encodePrompt(request as PromptSpec), { code: 'EBADPROMPT' }, JSON.stringify(request));
  });
});
