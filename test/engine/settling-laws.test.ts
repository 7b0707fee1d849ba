import assert from 'node:assert/strict';
import { type CfgType, Engine, type RawImage, type StreamOptions } from '../../engine';
import { frames, PROMPT, setLawStreams } from '../lib/law-streams';
import { assertSameFrames, LAW_OPTIONS, STEPS } from '../lib/laws';
import { REFERENCE_MODEL } from '../lib/reference';

describe('every call settles', () => {
  const streams = setLawStreams();
  const { open, run } = streams;

  it('options that cannot work are refused by name', async () => {
    const refuse = (change: Partial<StreamOptions>, message: RegExp) =>
      assert.rejects(streams.engine.createStream({ ...LAW_OPTIONS, ...change }), { code: 'EBADPARAM', message }, JSON.stringify(change));
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
    const stream = await streams.engine.createStream(LAW_OPTIONS);
    await assert.rejects(stream.process({ image: frames[0] }), { code: 'EBADPROMPT', message: /tokenIds|setPrompt/ });
    await assert.rejects(stream.setPrompt({ prompt: 'a sea' }), { code: 'EBADPROMPT' });
    await stream.setPrompt(PROMPT);
    assert.deepEqual(await stream.process({ image: frames[0] }), []);
  });

  it('guidance that needs a negative prompt says so where there is none', async () => {
    const stream = await streams.engine.createStream({ ...LAW_OPTIONS, cfgType: 'full', guidanceScale: 2 });
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
