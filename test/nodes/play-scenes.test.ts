import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { helper, until } from '../lib/flow';
import { jpegOf, setPlayFlow } from '../lib/play-flow';
import { eventually } from '../lib/until';

describe('performance page with scenes', () => {
  const play = setPlayFlow();

  it('keeps scenes under eight buttons with a small picture, over a restart, and plays them as one message', async () => {
    await play.start();
    const page = await play.enter();
    helper.getNode('sink').receive({ payload: await jpegOf('#00f') });
    await play.order(page, { set: { prompt: 'night', params: { strength: 0.7, seed: 12 } } });
    const { scenes } = await play.order(page, { save: 2 });
    const scene = scenes?.[2];
    assert.deepEqual([scene?.name, scene?.prompt], ['night', 'night']);
    const { width, height } = await sharp(Buffer.from(scene?.picture ?? '', 'base64')).metadata();
    assert.deepEqual([width, height], [192, 120]);
    await play.order(page, { set: { prompt: 'day', params: { strength: 0.2 } } });
    await until(() => play.set.length > 0);
    await play.web.stop();
    assert.ok(existsSync(join(play.folder, 'streamdiffusion/scenes/stage.json')));

    await play.start();
    const again = await play.enter();
    await until(() => again.heard.length > 0);
    await eventually(async () => {
      await play.order(again, { scene: 2 });
      return play.set.length > 0;
    });
    play.set.length = 0;
    await play.order(again, { scene: 2 });
    assert.deepEqual([play.set[0].prompt, play.set[0].params, play.set[0].scene], ['night', { strength: 0.7, seed: 12 }, 3]);
    const cleared = await play.order(again, { clear: 2 });
    assert.equal(cleared.scenes?.[2], null);
  });

  it('sends what was set before the order that follows it, also what a scene does not know', async () => {
    await play.start();
    const page = await play.enter();
    await play.order(page, { set: { params: { strength: 0.7 } } });
    await play.order(page, { save: 0 });
    await until(() => play.set.length > 0);
    for (const last of [{ blackout: true }, { freeze: true }, { scene: 0 }]) {
      play.set.length = 0;
      // The first goes at once, the second waits for its turn.
      for (const feedback of [0.1, 0.2]) page.send(JSON.stringify({ set: { params: { feedback } } }));
      await play.order(page, last);
      await until(() => play.set.length > 0);
      const [before, given] = play.set.slice(-2);
      assert.deepEqual(before?.params, { feedback: 0.2 }, JSON.stringify(play.set));
      assert.ok(Object.keys(last)[0] in given, JSON.stringify(given));
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(play.set.at(-1), given, 'and nothing comes after it');
    }
  });

  it('leaves scenes out that a damaged file has, and says so', async () => {
    await play.start();
    await play.web.stop();
    const file = join(play.folder, 'streamdiffusion/scenes/stage.json');
    const kept = [{ name: 'fine', prompt: 'sea', params: { strength: 0.5 } }, { params: { strength: 9 } }, 'x', null, { prompt: 7 }];
    await writeFile(file, JSON.stringify(kept));
    await play.start();
    const page = await play.enter();
    await eventually(async () => {
      await play.order(page, { scene: 0 });
      return play.set.length > 0;
    });
    assert.deepEqual([play.set[0].prompt, play.set[0].params], ['sea', { strength: 0.5 }]);
    play.set.length = 0;
    for (const scene of [1, 2, 3, 4]) await play.order(page, { scene });
    assert.deepEqual(play.set, []);
    await play.web.stop();
    await writeFile(file, '{');
    await play.start();
    const { warn } = helper.getNode('sink') as unknown as { warn: { args: Error[][] } };
    await until(() => warn.args.some(([error]) => /scenes .* cannot be read/.test(String(error))));
  });
});
