import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calls, helper, until } from '../lib/flow';
import { jpegOf, type News, setPlayFlow } from '../lib/play-flow';
import { brightness } from '../lib/sink-picture';

describe('performance page before an audience', () => {
  const play = setPlayFlow();

  it('shows the audience black and a standstill, from the page and from the flow, and says so on all pages', async () => {
    await play.start({ folder: play.folder });
    const page = await play.enter();
    const node = helper.getNode('sink');
    const viewer = await play.web.enter('stage?details');
    const plain = await play.web.enter('stage');
    const seen = async (): Promise<number> => brightness(Buffer.from(await (await fetch(`${play.web.address}/stage.jpg`)).arrayBuffer()));
    node.receive({ payload: await jpegOf('#fff') });
    await until(() => plain.heard.length === 1);
    assert.ok((await seen()) > 200);

    const { show } = await play.order(page, { blackout: true, fade: 500 });
    assert.deepEqual(show, { blackout: true, freeze: false, recording: false });
    await until(() => viewer.heard.some((news) => JSON.stringify(news) === '{"blackout":true,"fade":500}'));
    await until(() => plain.heard.length === 2);
    assert.ok((await brightness(plain.heard[1] as Buffer)) < 2, 'a plain viewer gets a black picture');
    assert.ok((await seen()) < 2);
    node.receive({ payload: await jpegOf('#eee') });
    await until(() => play.shown.length === 2);
    const { file } = await play.order(page, { snapshot: true });
    assert.ok((await brightness(await readFile(join(play.folder, file ?? '')))) > 200, 'a snapshot is of the picture');
    assert.equal(plain.heard.length, 2);

    node.receive({ blackout: false, fade: 0 });
    await until(() => plain.heard.length === 3);
    assert.ok((await brightness(plain.heard[2] as Buffer)) > 200, 'and the newest picture comes back');
    await until(() => (page.heard.at(-1) as News).show?.blackout === false);

    await play.order(page, { freeze: true });
    node.receive({ payload: await jpegOf('#000') });
    await until(() => play.shown.length === 4);
    assert.ok((await seen()) > 200, 'the picture before stays');
    node.receive({ freeze: false, payload: await jpegOf('#000') });
    node.receive({ payload: await jpegOf('#000') });
    await until(() => plain.heard.length >= 4);
    assert.ok((await seen()) < 2);
    assert.deepEqual(
      play.set
        .map(({ blackout, freeze, snapshot }) => ({ blackout, freeze, snapshot }))
        .filter((each) => Object.values(each).some((value) => value !== undefined)),
      [
        { blackout: true, freeze: undefined, snapshot: undefined },
        { blackout: undefined, freeze: undefined, snapshot: true },
        { blackout: undefined, freeze: true, snapshot: undefined },
      ],
    );
    const errors = calls('sink', 'error') as Error[];
    for (const [what, words] of [
      [{ blackout: 7 }, /msg\.blackout must be true or false/],
      [{ freeze: 'x' }, /msg\.freeze must be true or false/],
      [{ blackout: true, fade: -1 }, /msg\.fade must be a number from 0 to 60000/],
    ] as const) {
      const before = errors.length;
      node.receive(what);
      await until(() => errors.length > before);
      assert.match(String(errors.at(-1)), words);
    }
  });

  it('says what cannot be done: a snapshot without a folder', async () => {
    await play.start();
    const page = await play.enter();
    helper.getNode('sink').receive({ payload: await jpegOf('#fff') });
    await until(() => play.shown.length === 1);
    const { error } = await play.order(page, { snapshot: true });
    assert.deepEqual([error?.code, /no folder/.test(error?.message ?? '')], ['EBADPARAM', true]);
  });
});
