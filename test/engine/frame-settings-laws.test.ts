import assert from 'node:assert/strict';
import type { Output, StreamOptions } from '../../engine';
import { frames, OTHER_PROMPT, PROMPT, setLawStreams } from '../lib/law-streams';
import { assertSameFrames, LAW_OPTIONS, STEPS } from '../lib/laws';
import { relativeError } from '../lib/reference';

describe('settings of a frame', () => {
  const streams = setLawStreams();
  const { open, run } = streams;
  /** What alternates from frame to frame: a prompt and settings each. */
  const KINDS: { prompt: typeof PROMPT; params: Partial<StreamOptions> }[] = [
    { prompt: PROMPT, params: { guidanceScale: 1.5, cfgType: 'full' } },
    { prompt: OTHER_PROMPT, params: { guidanceScale: 1.2, delta: 0.5, cfgType: 'self', seed: 11 } },
    { prompt: PROMPT, params: { cfgType: 'initialize', tIndexList: [10, 20, 30, 40], seed: 12, doAddNoise: false } },
    { prompt: OTHER_PROMPT, params: { cfgType: 'none', tIndexList: [5, 25], scheduler: 'tcd' } },
  ];
  const kindOf = (id: number) => KINDS[id % KINDS.length];
  const steps = { tIndexList: STEPS[4] };

  /** Each frame in a stream of its own that never had other settings. */
  async function alone(options: Partial<StreamOptions>, id: number): Promise<Output> {
    const { prompt, params } = kindOf(id);
    const stream = await streams.engine.createStream({ ...LAW_OPTIONS, ...options, ...params, useDenoisingBatch: false });
    await stream.setPrompt(prompt);
    const [output] = await stream.process({ image: frames[id], id });
    await stream.close();
    return output;
  }

  it('travel with it: prompt, guidance, steps and seed alternate with every frame, 4 steps in flight', async () => {
    const stream = await open(steps);
    const outputs: Output[] = [];
    for (const [id, image] of frames.entries()) outputs.push(...(await stream.process({ image, id, ...kindOf(id) })));
    outputs.push(...(await stream.flush()));
    assertSameFrames(outputs, await Promise.all(frames.map((_, id) => alone(steps, id))));
  });

  it('travel with it too where they are changes of the stream, unless frames follow the newest', async () => {
    const stream = await open({ ...steps, followNewest: 'none' });
    const calls: Promise<unknown>[] = [];
    const outputs: Output[] = [];
    for (const [id, image] of frames.entries()) {
      const { prompt, params } = kindOf(id);
      calls.push(
        stream.setPrompt(prompt),
        stream.update({ ...LAW_OPTIONS, ...steps, doAddNoise: true, scheduler: 'lcm', delta: 1, guidanceScale: 1.2, seed: 2, ...params }),
      );
      calls.push(stream.process({ image, id }).then((finished) => outputs.push(...finished)));
    }
    await Promise.all(calls);
    outputs.push(...(await stream.flush()));
    assertSameFrames(outputs, await Promise.all(frames.map((_, id) => alone(steps, id))));
  });

  it('are of this frame alone: the stream goes on under its own', async () => {
    const expected = await run({});
    const stream = await open();
    const outputs: Output[] = [];
    for (const [id, image] of frames.entries()) {
      const own = id === 3 ? { prompt: OTHER_PROMPT, params: { seed: 5, tIndexList: [0, 10, 20] } } : {};
      outputs.push(...(await stream.process({ image, id, ...own })));
    }
    outputs.push(...(await stream.flush()));
    assert.ok(relativeError(outputs[3].latent, expected[3].latent) > 0.01);
    assertSameFrames(
      outputs.filter(({ id }) => id !== 3),
      expected.filter(({ id }) => id !== 3),
    );
  });

  it('a prompt of the stream reaches the frames in flight that brought none', async () => {
    const outputs = async (change: boolean) => {
      const stream = await open({ followNewest: 'prompt' });
      await stream.process({ image: frames[0], id: 'none' });
      await stream.process({ image: frames[1], id: 'own', prompt: PROMPT });
      if (change) await stream.setPrompt(OTHER_PROMPT);
      const late = await stream.process({ image: frames[2], id: 'late' });
      return [...late, ...(await stream.flush())];
    };
    // Under two steps the first frame was done before the change; of the two others only the one without a prompt follows.
    const [before, after] = [await outputs(false), await outputs(true)];
    assert.deepEqual(
      before.map(({ id }) => id),
      ['own', 'late'],
    );
    assert.deepEqual(after[0].latent, before[0].latent);
    assert.notDeepEqual(after[1].latent, before[1].latent);
  });

  it('followNewest all: rows in flight go on under what the newest frame came with', async () => {
    const first = { prompt: PROMPT, params: { guidanceScale: 1.2, cfgType: 'full' as const } };
    const second = { prompt: OTHER_PROMPT, params: { guidanceScale: 2, cfgType: 'full' as const, tIndexList: [10, 44] } };
    const stream = await open({ followNewest: 'all' });
    await stream.process({ image: frames[0], id: 0, ...first });
    const [mixed] = await stream.process({ image: frames[1], id: 1, ...second });
    // The same by hand: its second step is that of a stream that was changed between the two.
    const changed = await open({ ...first.params, followNewest: 'all' });
    await changed.process({ image: frames[0], id: 0 });
    await changed.setPrompt(OTHER_PROMPT);
    await changed.update(second.params);
    assertSameFrames([mixed], await changed.flush());
    assert.ok(relativeError(mixed.latent, (await alone(first.params, 0)).latent) > 0.01);
  });

  it('a list of seeds and a drift: stream batch equals sequential, in frame buffers too', async () => {
    for (const frameBufferSize of [1, 2]) {
      const options = {
        ...steps,
        frameBufferSize,
        seeds: [
          { seed: 3, weight: 1 },
          { seed: 8, weight: 0.5 },
        ],
        seedDrift: 20,
        cfgType: 'self' as const,
      };
      const batched = await run({ ...options, useDenoisingBatch: true });
      assertSameFrames(batched, await run({ ...options, useDenoisingBatch: false }), `F=${frameBufferSize}:`);
      assert.ok(relativeError(batched[0].latent, (await run({ ...options, seedDrift: 0 }, frames.slice(0, 1)))[0].latent) < 1e-4);
    }
  });

  it('seed -1: every frame has a seed of its own, is told it, and is what this seed alone gives', async () => {
    const outputs = await run({ ...steps, seed: -1 });
    assert.equal(new Set(outputs.map(({ seed }) => seed)).size, frames.length);
    for (const [id, output] of outputs.entries()) {
      const stream = await open({ ...steps, seed: output.seed, useDenoisingBatch: false });
      assertSameFrames([output], await stream.process({ image: frames[id], id }));
    }
  });

  it('that cannot work are an error of this frame, and leave no trace', async () => {
    const expected = await run({}, frames.slice(0, 2));
    const stream = await open();
    const outputs = await stream.process({ image: frames[0], id: 0 });
    await assert.rejects(stream.process({ image: frames[1], params: { tIndexList: [60] } }), { code: 'EBADPARAM' });
    await assert.rejects(stream.process({ image: frames[1], params: { width: 60 } }), { code: 'EBADPARAM' });
    await assert.rejects(stream.process({ image: frames[1], prompt: { tokenIds: [1] } }), { code: 'EBADPROMPT' });
    outputs.push(...(await stream.process({ image: frames[1], id: 1 })), ...(await stream.flush()));
    assertSameFrames(outputs, expected);
  });
});
