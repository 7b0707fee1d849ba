import assert from 'node:assert/strict';
import { type CfgType, type Output, type RawImage, randn } from '../../engine';
import { lowerStrength, MotionMeter } from '../../engine/diffusion/motion';
import { toThumbnail } from '../../engine/image/pixels';
import { frames, setLawStreams } from '../lib/law-streams';
import { assertSameFrames, deviation, STEPS } from '../lib/laws';
import { relativeError } from '../lib/reference';

describe('laws of a stream', () => {
  const { open, run } = setLawStreams();

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
    const deviations: number[] = [];
    for (let k = 0; k < 200; k++) {
      const [output] = await stream.process({ image: frames[k % frames.length] });
      deviations.push(deviation(output.latent));
    }
    assert.ok(Math.max(...deviations) <= Math.max(...deviations.slice(0, frames.length)) * 1.001, `grew to ${Math.max(...deviations)}`);
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
});
