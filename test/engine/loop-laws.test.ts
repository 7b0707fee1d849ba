import assert from 'node:assert/strict';
import { frames, setLawStreams } from '../lib/law-streams';
import { assertSameFrames, deviation, STEPS } from '../lib/laws';
import { relativeError } from '../lib/reference';

describe('laws of loops back', () => {
  const { open, run } = setLawStreams();

  it('loops back stay bounded over 300 frames: the last latent, the last picture', async () => {
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
});
