import assert from 'node:assert/strict';
import type { Express } from 'express';
import type { NodeAPI } from 'node-red';
import sink from '../../nodes/sink';
import { helper, until } from '../lib/flow';
import { FLOW, jpegOf, type News, setPlayFlow, SINK } from '../lib/play-flow';
import { eventually } from '../lib/until';
import { WebFlow, type Guard, type Visitor } from '../lib/web-flow';

describe('performance page of a sink', () => {
  const play = setPlayFlow();

  it('is there where the dialog says so, and nowhere else', async () => {
    await play.start({ controls: undefined });
    assert.equal((await fetch(`${play.web.address}/stage/play`)).status, 404);
    await play.web.stop();
    await play.start();
    const response = await fetch(`${play.web.address}/stage/play`);
    assert.equal(response.status, 200);
    const page = await response.text();
    assert.doesNotMatch(page, /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
    assert.match(await (await fetch(play.web.address)).text(), /play: 'stage'/, 'and stands in the list of pages');
  });

  it('sends what is set through the second output, and through the first one pictures alone', async () => {
    await play.start();
    const page = await play.enter();
    await play.order(page, { set: { prompt: 'a red castle', params: { strength: 0.4 } } });
    await until(() => play.set.length === 1);
    assert.deepEqual([play.set[0].prompt, play.set[0].params], ['a red castle', { strength: 0.4 }]);
    const payload = await jpegOf('#f00');
    helper.getNode('sink').receive({ payload });
    await until(() => play.shown.length === 1);
    assert.equal(play.set.length, 1);
  });

  it('sends knobs that are turned fast as a few messages, the newest values last', async () => {
    await play.start();
    const page = await play.enter();
    const began = performance.now();
    for (let k = 1; k <= 50; k++)
      page.send(JSON.stringify({ n: k, set: { params: { strength: k / 50, [k % 2 ? 'feedback' : 'seedDrift']: k / 50 } } }));
    const all = (): Record<string, number> => Object.assign({}, ...play.set.map(({ params }) => params)) as Record<string, number>;
    await until(() => all().strength === 1);
    assert.deepEqual(all(), { strength: 1, feedback: 49 / 50, seedDrift: 1 });
    const most = Math.ceil((performance.now() - began) / 33) + 2;
    assert.ok(play.set.length <= Math.min(50, most), `${play.set.length} messages`);
  });

  it('shows on all pages what one of them sets, in one order for all', async () => {
    await play.start();
    const [first, second] = [await play.enter(), await play.enter()];
    const pages = [first, second];
    for (let k = 0; k < 20; k++) pages[k % 2].send(JSON.stringify({ n: play.nextNumber(), set: { params: { strength: (k + 1) / 20 } } }));
    const strengths = ({ heard }: Visitor): number[] => heard.flatMap((news) => (news as News).values?.params?.strength ?? []);
    // Each page hears the values of both.
    await until(() => pages.every((page) => strengths(page).length === 20));
    const seen = pages.map(strengths);
    assert.deepEqual(seen[0], seen[1]);
    const late = await play.enter();
    await until(() => late.heard.length > 0);
    assert.deepEqual((late.heard[0] as News).values?.params, { strength: seen[0].at(-1) });
  });

  it('refuses what no page can set, says what it may be, and sends nothing of it', async () => {
    await play.start();
    const page = await play.enter();
    for (const [what, code] of [
      [{ set: { params: { width: 8192 } } }, 'EBADPARAM'],
      [{ set: { params: { strength: 2 } } }, 'EBADPARAM'],
      [{ set: { params: { steps: 1.5 } } }, 'EBADPARAM'],
      [{ set: { params: [] } }, 'EBADPARAM'],
      [{ set: { weights: { nobody: 1 } } }, 'EBADPARAM'],
      [{ set: 7 }, 'EBADPARAM'],
      [{ set: { prompt: 7 } }, 'EBADPROMPT'],
      [{ set: { prompt: 'x'.repeat(2001) } }, 'EBADPROMPT'],
      [{ set: { prompt: `data:image/png;base64,${'A'.repeat(100)}` } }, 'EBADPROMPT'],
    ] as const) {
      const { error } = await play.order(page, what);
      assert.equal(error?.code, code, JSON.stringify(what).slice(0, 60));
    }
    for (const text of ['', '{', 'null', '[]', '"x"', '{"scene":99}', '{"scene":-1}', '{"save":8}', '{"clear":"x"}', '{"blackout":1}'])
      page.send(text);
    await play.order(page, {});
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(play.set, []);
    assert.equal(page.readyState, page.OPEN);
  });

  it('ends a page that sends without end, and one that sends too much at once', async () => {
    await play.start();
    const fast = await play.enter();
    for (let k = 0; k < 400; k++) fast.send('{}');
    assert.equal(await fast.closed, 1008);
    const large = await play.enter();
    large.send(JSON.stringify({ set: { prompt: 'x'.repeat(70_000) } }));
    assert.equal(await large.closed, 1009);
    const other = await play.enter();
    await play.order(other, { set: { params: { strength: 0.5 } } });
  });

  it('sends on what a microphone hears, and nothing that is not a share', async () => {
    await play.start();
    const page = await play.enter();
    await play.order(page, { sound: { level: 0.5, bass: 0.25, treble: 1, beat: true, more: 'x' } });
    await until(() => play.set.length === 1);
    assert.deepEqual(play.set[0].sound, { level: 0.5, bass: 0.25, treble: 1, beat: true });
    for (const sound of [7, {}, { level: 2, bass: 0, treble: 0 }, { level: 'loud', bass: 0, treble: 0 }]) {
      const { error } = await play.order(page, { sound });
      assert.equal(error?.code, 'EBADPARAM', JSON.stringify(sound));
    }
    assert.equal(play.set.length, 1);
  });

  it('has no more pages open than it can serve', async () => {
    await play.start();
    const pages = await Promise.all(Array.from({ length: 32 }, () => play.enter()));
    assert.equal(await play.web.socket('stage/play'), 503);
    pages[0].close();
    await eventually(async () => typeof (await play.web.socket('stage/play')) === 'object');
  });

  describe('with the login of the editor', () => {
    /** The editor's routes and login, which the test helper does not put on this server. */
    async function startWithEditor(): Promise<string> {
      let admin: Express | undefined;
      const needsPermission =
        (permission: string) =>
        (request: { headers: Record<string, string> }, response: { status(code: number): { end(): void } }, next: () => void): void =>
          request.headers.authorization === `Bearer may ${permission}` ? next() : response.status(401).end();
      const withLogin = (RED: NodeAPI): void => {
        Object.assign(RED, { auth: { needsPermission } });
        admin = RED.httpAdmin;
      };
      const guard: Guard = (request, response, next) =>
        admin && request.url?.startsWith('/streamdiffusion/tickets') ? admin(request, response) : next();
      const flow = [{ ...SINK, controls: 'login' }, ...FLOW.slice(1)];
      play.web = await WebFlow.start([withLogin, sink], flow, { settings: { userDir: play.folder }, guard });
      play.watch();
      return play.web.address.replace('/streamdiffusion', '');
    }

    it('lets nobody play without a ticket, and gives one for one WebSocket to who may change flows', async () => {
      const root = await startWithEditor();
      const ask = (authorization: string, name = 'stage'): Promise<Response> =>
        fetch(`${root}/streamdiffusion/tickets/${name}`, { method: 'POST', headers: { authorization } });
      assert.equal((await fetch(`${play.web.address}/stage/play`)).status, 200, 'the page itself is for everybody who sees the pictures');
      assert.equal(await play.web.socket('stage/play'), 401);
      assert.equal(await play.web.socket('stage/play?ticket=guess'), 401);
      assert.equal((await ask('')).status, 401);
      assert.equal((await ask('Bearer may streamdiffusion.read')).status, 401);
      assert.equal((await ask('Bearer may streamdiffusion.write', 'nobody')).status, 404);
      const { ticket } = (await (await ask('Bearer may streamdiffusion.write')).json()) as { ticket: string };
      const page = await play.web.enter(`stage/play?ticket=${ticket}`);
      await play.order(page, { set: { prompt: 'sea' } });
      await until(() => play.set.length === 1);
      assert.equal(await play.web.socket(`stage/play?ticket=${ticket}`), 401, 'it is used up');
    });
  });
});
