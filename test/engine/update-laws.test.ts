import assert from 'node:assert/strict';
import type { CfgType, Output, StreamOptions } from '../../engine';
import { frames, OTHER_PROMPT, PROMPT, setLawStreams } from '../lib/law-streams';
import { assertSameFrames, STEPS } from '../lib/laws';
import { relativeError } from '../lib/reference';

describe('laws of live updates', () => {
  const { open, run } = setLawStreams();

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
