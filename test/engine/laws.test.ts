import assert from 'node:assert/strict';
import { type CfgType, Engine, type Output, type RawImage, randn, type Stream, type StreamOptions } from '../../engine';
import { toThumbnail } from '../../engine/image/pixels';
import { lowerStrength, MotionMeter } from '../../engine/diffusion/motion';
import { assertSameFrames, LAW_OPTIONS, outputsOf, STEPS } from '../lib/laws';
import { recording, REFERENCE_MODEL, relativeError } from '../lib/reference';

const reference = recording('img2img-4step-self');
const PROMPT = { tokenIds: reference.token_ids['a red sun over the sea'], negativeTokenIds: reference.token_ids[''] };
const OTHER_PROMPT = { tokenIds: PROMPT.tokenIds.map((id, k) => (k > 0 && k < 6 ? id + 5 : id)), negativeTokenIds: PROMPT.tokenIds };

let engine: Engine;
const frames = Array.from({ length: 7 }, (_, k) => reference.frame(k));

async function open(options: Partial<StreamOptions> = {}): Promise<Stream> {
  const stream = await engine.createStream({ ...LAW_OPTIONS, ...options });
  await stream.setPrompt(PROMPT);
  return stream;
}

/** All frames through a stream of their own, drained at the end. */
const run = (options: Partial<StreamOptions>, images: RawImage[] = frames): Promise<Output[]> =>
  outputsOf(
    engine,
    options,
    PROMPT,
    images.map((image, id) => ({ image, id })),
  );

describe('laws of a stream', () => {
  before(async () => {
    engine = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(() => engine.close());

  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
    it(`stream batch equals sequential: ${cfgType}, TCD`, async () => {
      for (const [frameBufferSize, eta, doAddNoise] of [
        [1, 0.3, true],
        [2, 0.8, true],
        [1, 0, true],
        [3, 0.3, false],
      ] as const) {
        const options = {
          cfgType,
          scheduler: 'tcd' as const,
          eta,
          doAddNoise,
          tIndexList: STEPS[4],
          frameBufferSize,
          guidanceScale: 1.5,
          delta: 0.7,
        };
        const batched = await run({ ...options, useDenoisingBatch: true });
        assertSameFrames(batched, await run({ ...options, useDenoisingBatch: false }), `F=${frameBufferSize}, eta ${eta}:`);
        assert.ok(batched.every((output) => output.latent.every(Number.isFinite)));
        assert.ok(
          relativeError(batched[0].latent, (await run({ ...options, scheduler: 'lcm' }))[0].latent) > 0.001,
          'another picture than by LCM',
        );
      }
      const plain = { cfgType, tIndexList: STEPS[1] };
      // One step of LCM differs by its boundary scalings alone, which are nearly 1 and 0.
      assert.ok(relativeError((await run({ ...plain, scheduler: 'tcd' }))[0].latent, (await run(plain))[0].latent) < 0.01);
    });
    for (const steps of [1, 2, 4]) {
      it(`stream batch equals sequential: ${cfgType}, ${steps} step(s), frame buffers of 1, 2 and 3, noise added or not`, async () => {
        for (const frameBufferSize of [1, 2, 3]) {
          for (const doAddNoise of [true, false]) {
            const options = { cfgType, tIndexList: STEPS[steps], frameBufferSize, doAddNoise, guidanceScale: 1.5, delta: 0.7 };
            const what = `F=${frameBufferSize}, noise ${doAddNoise}:`;
            const batched = await run({ ...options, useDenoisingBatch: true });
            assertSameFrames(batched, await run({ ...options, useDenoisingBatch: false }), what);
            assert.equal(batched.length, frames.length);
            assert.ok(
              batched.every((output) => output.latent.every(Number.isFinite)),
              `${what} a value is not finite`,
            );
          }
        }
      });
    }
  }

  it('a frame alone: with frame j of a buffer denoised under rows i·F+j of the noise', async () => {
    const F = 3;
    const together = await run({ frameBufferSize: F, cfgType: 'initialize' });
    // The rows that one frame uses, put in the place where a stream of single frames looks for its own.
    const noise = randn([2 * F, 4, 8, 8], 2);
    for (const [id, image] of frames.entries()) {
      const stream = await open({ cfgType: 'initialize', useDenoisingBatch: false });
      const row = (i: number) => noise.subarray((i * F + (id % F)) * 256, (i * F + (id % F) + 1) * 256);
      const { batch } = stream as unknown as { batch: object };
      Object.assign(batch, { seeds: { next: () => ({ rows: [row(0), row(1)] }) } });
      assertSameFrames(await stream.process({ image, id }), [together[id]], `frame ${id} alone`);
    }
  });

  it('guidance changes the picture in every kind, and rests at a scale of 1', async () => {
    const plain = await run({ cfgType: 'none' });
    for (const cfgType of ['full', 'self', 'initialize'] as CfgType[]) {
      assertSameFrames(await run({ cfgType, guidanceScale: 1 }), plain, `${cfgType} at 1`);
      const guided = await run({ cfgType, guidanceScale: 1.5 });
      assert.ok(relativeError(guided[0].latent, plain[0].latent) > 0.01, cfgType);
    }
  });

  it('nothing unfinished is ever returned: n steps, n-1 calls without an output, and the rest on flush', async () => {
    const stream = await open({ tIndexList: STEPS[4] });
    const counts: number[] = [];
    for (const image of frames) counts.push((await stream.process({ image })).length);
    assert.deepEqual(counts, [0, 0, 0, 1, 1, 1, 1]);
    assert.equal((await stream.flush()).length, 3);
    assert.deepEqual(await stream.flush(), []);
  });

  it('frame buffers: F frames enter together and leave together, a part of one on flush', async () => {
    const stream = await open({ frameBufferSize: 3 });
    const counts: number[] = [];
    for (const image of frames) counts.push((await stream.process({ image })).length);
    assert.deepEqual(counts, [0, 0, 0, 0, 0, 3, 0]);
    assert.deepEqual(
      (await stream.flush()).map((output) => output.id),
      [3, 4, 5, 6],
    );
  });

  it('another stream on the same engine changes nothing', async () => {
    const options = { cfgType: 'self' as const, guidanceScale: 1.4 };
    const alone = await run(options);
    const [beside] = await Promise.all([
      run(options),
      run({ cfgType: 'full', tIndexList: STEPS[4], seed: 9 }, [...frames].reverse()),
      run({ mode: 'txt2img', width: 96, height: 64 }),
    ]);
    assertSameFrames(beside, alone);
  });

  // The reference feeds the guidance state of one frame into the next when there is one step: at t_index 0 it grows
  // 17-fold with every frame. In the paper a frame's virtual residual noise starts from its own noise.
  it('self guidance at one step and t_index 0 stays bounded over 200 frames', async () => {
    const stream = await open({ cfgType: 'self', tIndexList: [0], guidanceScale: 1.2 });
    const deviation = (latent: Float32Array) => Math.sqrt(latent.reduce((sum, value) => sum + value * value, 0) / latent.length);
    const deviations: number[] = [];
    for (let k = 0; k < 200; k++) {
      const [output] = await stream.process({ image: frames[k % frames.length] });
      deviations.push(deviation(output.latent));
    }
    assert.ok(Math.max(...deviations) <= Math.max(...deviations.slice(0, frames.length)) * 1.001, `grew to ${Math.max(...deviations)}`);
  });

  it('loops back stay bounded over 300 frames: the last latent, the last picture', async () => {
    const deviation = (latent: Float32Array) => Math.sqrt(latent.reduce((sum, value) => sum + value * value, 0) / latent.length);
    for (const loop of [
      { latentFeedback: 0.9 },
      { feedback: 0.9, feedbackZoom: 1.05, feedbackRotate: 3 },
      { latentFeedback: 1, feedback: 1 },
    ]) {
      const stream = await open({ ...loop, tIndexList: STEPS[1] });
      const deviations: number[] = [];
      for (let k = 0; k < 300; k++) {
        const [output] = await stream.process({ image: frames[k % frames.length] });
        deviations.push(deviation(output.latent));
      }
      const [early, late] = [Math.max(...deviations.slice(0, 100)), Math.max(...deviations.slice(200))];
      assert.ok(late <= early * 1.1, `${JSON.stringify(loop)}: ${early} at first, ${late} in the end`);
      await stream.close();
    }
  });

  it('a loop back takes in what was finished as it was, whatever is drawn on it afterwards', async () => {
    const options = { feedback: 0.4, latentFeedback: 0.4, tIndexList: STEPS[1] };
    const still = Array.from({ length: 3 }, () => frames[0]);
    const expected = await run(options, still);
    const stream = await open(options);
    for (const { latent } of expected) {
      const [output] = await stream.process({ image: frames[0] });
      assert.deepEqual(output.latent, latent);
      output.image.data.fill(0);
      output.latent.fill(0);
    }
    await stream.close();
  });

  it('a loop back changes the frames that come after an output, and begins anew where there is none', async () => {
    const still = Array.from({ length: 4 }, () => frames[0]);
    const plain = await run({ tIndexList: STEPS[1] }, still);
    for (const loop of [{ latentFeedback: 0.4 }, { feedback: 0.4 }]) {
      const looped = await run({ ...loop, tIndexList: STEPS[1] }, still);
      assert.deepEqual(looped[0].latent, plain[0].latent);
      for (const k of [1, 2, 3]) assert.ok(relativeError(looped[k].latent, plain[k].latent) > 0.01, `${JSON.stringify(loop)} frame ${k}`);
      assertSameFrames(await run({ ...loop, tIndexList: STEPS[1] }, still), looped, 'once more:');

      const stream = await open({ ...loop, tIndexList: STEPS[1] });
      await stream.process({ image: frames[1] });
      await stream.update({ width: 96 });
      const wide = await stream.process({ image: frames[0], id: 0 });
      assertSameFrames(wide, await run({ ...loop, width: 96, tIndexList: STEPS[1] }, [frames[0]]), 'in another size:');
    }
  });

  it('motion-aware noise: a still scene as it was, a moving one under the strength that its motion leaves', async () => {
    const options = { motionNoise: 0.4, tIndexList: STEPS[2] };
    const still = Array.from({ length: 4 }, () => frames[0]);
    assertSameFrames(await run(options, still), await run({ tIndexList: STEPS[2] }, still), 'still:');

    const meter = new MotionMeter();
    const lists = frames.map((image) => lowerStrength(STEPS[2], 0.4 * meter.measure(toThumbnail(image)), 50));
    assert.deepEqual(lists[0], STEPS[2]);
    assert.ok(
      lists.slice(1).some(([first]) => first > STEPS[2][0]),
      `the frames move: ${JSON.stringify(lists)}`,
    );
    const stream = await open({ tIndexList: STEPS[2] });
    const expected: Output[] = [];
    for (const [id, image] of frames.entries()) expected.push(...(await stream.process({ image, id, params: { tIndexList: lists[id] } })));
    expected.push(...(await stream.flush()));
    assertSameFrames(await run(options), expected, 'moving:');
    assertSameFrames(await run({ ...options, useDenoisingBatch: false }), expected, 'sequential:');
  });

  it('txt2img: the same seed draws the same picture, another seed another one', async () => {
    const first = async (seed: number) => {
      const stream = await open({ mode: 'txt2img', seed });
      await stream.process();
      return (await stream.flush())[0];
    };
    assert.deepEqual((await first(4)).latent, (await first(4)).latent);
    assert.notDeepEqual((await first(4)).latent, (await first(5)).latent);
  });

  it('pictures of another size are resized to the stream', async () => {
    const { data } = frames[0];
    const tall: RawImage = { width: 64, height: 128, channels: 3, data: Uint8Array.from([...data, ...data]) };
    const stream = await open({ tIndexList: STEPS[1] });
    const [{ image }] = await stream.process({ image: tall });
    assert.deepEqual([image.width, image.height, image.data.length], [64, 64, 64 * 64 * 3]);
  });

  describe('live updates', () => {
    it('a tIndexList of another length: frames in flight go on, none is lost, order stays', async () => {
      for (const [from, to] of [
        [4, 1],
        [1, 4],
        [2, 4],
        [4, 2],
      ]) {
        const before = { tIndexList: STEPS[from] };
        const after = { tIndexList: STEPS[to] };
        const stream = await open(before);
        const outputs: Output[] = [];
        for (const [id, image] of frames.entries()) {
          if (id === 3) await stream.update(after);
          outputs.push(...(await stream.process({ image, id })));
        }
        outputs.push(...(await stream.flush()));
        const expected = [...(await run(before)).slice(0, 3), ...(await run(after)).slice(3)];
        assertSameFrames(outputs, expected, `${from} to ${to} steps:`);
      }
    });

    it('every other option holds for the frames to come', async () => {
      const changes: Partial<StreamOptions>[] = [
        { seed: 8 },
        { guidanceScale: 1.6, cfgType: 'self' },
        { cfgType: 'full', guidanceScale: 1.5 },
        { cfgType: 'initialize', guidanceScale: 1.5, delta: 0.5 },
        { doAddNoise: false },
        { useDenoisingBatch: false },
        { width: 96, height: 64 },
        { numInferenceSteps: 45 },
        { tIndexList: [10, 30] },
        { mode: 'txt2img' },
        { scheduler: 'tcd' },
        { scheduler: 'tcd', eta: 0.9 },
      ];
      for (const change of changes) {
        const stream = await open();
        const outputs = [...(await stream.process({ image: frames[0], id: 0 })), ...(await stream.process({ image: frames[1], id: 1 }))];
        await stream.update(change);
        for (const id of [2, 3]) outputs.push(...(await stream.process({ image: frames[id], id })));
        outputs.push(...(await stream.flush()));
        const expected = [...(await run({})).slice(0, 2), ...(await run(change)).slice(2, 4)];
        assertSameFrames(outputs, expected, JSON.stringify(change));
      }
    });

    it('a frame buffer of another size: the frames that wait enter with the next one', async () => {
      const stream = await open({ frameBufferSize: 3, tIndexList: STEPS[1] });
      await stream.process({ image: frames[0], id: 0 });
      await stream.update({ frameBufferSize: 1 });
      assert.deepEqual(
        (await stream.process({ image: frames[1], id: 1 })).map((output) => output.id),
        [0, 1],
      );
    });

    it('a refused change leaves the stream as it was', async () => {
      const stream = await open({ tIndexList: STEPS[1] });
      const [before] = await stream.process({ image: frames[0] });
      await assert.rejects(stream.update({ guidanceScale: NaN }), { code: 'EBADPARAM', message: /guidanceScale.*NaN/ });
      await assert.rejects(stream.update({ tIndexList: [50] }), { code: 'EBADPARAM', message: /tIndexList.*49.*\[50\]/ });
      const [after] = await stream.process({ image: frames[0] });
      assert.deepEqual(after.latent, before.latent);
    });

    it('a new negative prompt, with full and onetime-negative guidance', async () => {
      for (const cfgType of ['full', 'initialize'] as CfgType[]) {
        const stream = await open({ cfgType, guidanceScale: 1.5, tIndexList: STEPS[1] });
        const [before] = await stream.process({ image: frames[0] });
        await stream.setPrompt({ ...PROMPT, negativeTokenIds: OTHER_PROMPT.tokenIds });
        const [after] = await stream.process({ image: frames[0] });
        assert.ok(relativeError(after.latent, before.latent) > 0.001, cfgType);
      }
    });
  });

  describe('settings of a frame', () => {
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
      const stream = await engine.createStream({ ...LAW_OPTIONS, ...options, ...params, useDenoisingBatch: false });
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

  describe('every call settles', () => {
    it('options that cannot work are refused by name', async () => {
      const refuse = (change: Partial<StreamOptions>, message: RegExp) =>
        assert.rejects(engine.createStream({ ...LAW_OPTIONS, ...change }), { code: 'EBADPARAM', message }, JSON.stringify(change));
      await refuse({ width: 60 }, /width must be a multiple of 8.*60/);
      await refuse({ height: 0 }, /height/);
      await refuse({ tIndexList: [] }, /tIndexList/);
      await refuse({ tIndexList: [40, 20] }, /ascending/);
      await refuse({ tIndexList: [20, 20] }, /ascending/);
      await refuse({ tIndexList: [0, 50] }, /49/);
      await refuse({ numInferenceSteps: 51, tIndexList: [1] }, /at most/);
      await refuse({ frameBufferSize: 0 }, /frameBufferSize/);
      await refuse({ seed: -2 }, /seed.*-1.*got -2/);
      await refuse({ seeds: [{ seed: 1, weight: NaN }] }, /seeds/);
      await refuse({ seeds: [{ seed: -1, weight: 1 }] }, /seeds/);
      await refuse({ seedDrift: 91 }, /seedDrift.*90.*91/);
      await refuse({ feedback: 1.5 }, /feedback must be a number from 0 to 1; got 1.5/);
      await refuse({ scheduler: 'ddim' as 'lcm' }, /scheduler.*ddim/);
      await refuse({ eta: 1.1 }, /eta/);
      await refuse({ motionNoise: -1 }, /motionNoise/);
      await refuse({ feedbackZoom: 0 }, /feedbackZoom/);
      await refuse({ latentFeedback: NaN }, /latentFeedback/);
      await refuse({ seed: NaN }, /seed.*NaN/);
      await refuse({ delta: Infinity }, /delta.*Infinity/);
      await refuse({ cfgType: 'half' as CfgType }, /cfgType.*half/);
      await refuse({ followNewest: 'some' as 'all' }, /followNewest.*some/);
      await refuse({ mode: 'inpaint' as 'img2img' }, /mode.*inpaint/);
    });

    it('a bad picture or latent is refused, and the next good one is as if nothing had been', async () => {
      const expected = await run({}, frames.slice(0, 2));
      const stream = await open();
      const outputs = await stream.process({ image: frames[0], id: 0 });
      const torn: RawImage = { ...frames[0], data: frames[0].data.subarray(1) };
      await assert.rejects(stream.process({ image: torn }), { code: 'EBADFRAME', message: /12287 bytes for 64x64x3/ });
      await assert.rejects(stream.process({}), { code: 'EBADFRAME', message: /no image/ });
      outputs.push(...(await stream.process({ image: frames[1], id: 1 })), ...(await stream.flush()));
      assertSameFrames(outputs, expected);
      const text = await open({ mode: 'txt2img' });
      await assert.rejects(text.process({ latent: new Float32Array(3) }), { code: 'EBADPARAM', message: /256 values, \[4, 8, 8\]; got 3/ });
    });

    it('without a prompt, on a model without tokenizer, the first frame says what to do', async () => {
      const stream = await engine.createStream(LAW_OPTIONS);
      await assert.rejects(stream.process({ image: frames[0] }), { code: 'EBADPROMPT', message: /tokenIds|setPrompt/ });
      await assert.rejects(stream.setPrompt({ prompt: 'a sea' }), { code: 'EBADPROMPT' });
      await stream.setPrompt(PROMPT);
      assert.deepEqual(await stream.process({ image: frames[0] }), []);
    });

    it('guidance that needs a negative prompt says so where there is none', async () => {
      const stream = await engine.createStream({ ...LAW_OPTIONS, cfgType: 'full', guidanceScale: 2 });
      await assert.rejects(stream.setPrompt({ tokenIds: PROMPT.tokenIds }), { code: 'EBADPROMPT', message: /negativeTokenIds/ });
    });

    it('closing rejects what has not begun', async () => {
      const stream = await open({ tIndexList: STEPS[1] });
      const calls = [0, 1, 2].map((k) => stream.process({ image: frames[k] }));
      const closed = stream.close();
      const settled = await Promise.allSettled(calls);
      await closed;
      assert.ok(settled.some(({ status }) => status === 'rejected'));
      for (const call of settled) if (call.status === 'rejected') assert.equal(call.reason.code, 'ECLOSED');
      await assert.rejects(stream.process({ image: frames[0] }), { code: 'ECLOSED' });
      await assert.rejects(stream.flush(), { code: 'ECLOSED' });
    });

    it('closing the engine closes its streams; closing twice is the same', async () => {
      const other = await Engine.load({ model: REFERENCE_MODEL });
      const stream = await other.createStream(LAW_OPTIONS);
      await Promise.all([other.close(), other.close()]);
      await assert.rejects(stream.process({ image: frames[0] }), { code: 'ECLOSED' });
      await assert.rejects(other.createStream(LAW_OPTIONS), { code: 'ECLOSED' });
    });
  });
});
