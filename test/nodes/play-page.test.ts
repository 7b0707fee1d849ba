import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express } from 'express';
import type { NodeAPI, NodeMessage } from 'node-red';
import sharp from 'sharp';
import sink from '../../nodes/sink';
import { calls, helper, until, type FlowNode } from '../lib/flow';
import { eventually } from '../lib/until';
import { WebFlow, type Guard, type Visitor } from '../lib/web-flow';

const SINK: FlowNode = { id: 'sink', type: 'streamdiffusion-sink', name: 'stage', controls: 'open', wires: [['pictures'], ['controls']] };
const FLOW: FlowNode[] = [SINK, { id: 'pictures', type: 'helper' }, { id: 'controls', type: 'helper' }];

interface News {
  values?: { prompt?: string; params?: Record<string, number>; weights?: Record<string, number> };
  scenes?: ({ name: string; prompt?: string; picture?: string } | null)[];
  show?: { blackout: boolean; freeze: boolean; recording: boolean };
  error?: { code: string; message: string };
  file?: string;
  n?: number;
}

describe('performance page of a sink', () => {
  let web: WebFlow;
  let folder: string;
  let set: (NodeMessage & { prompt?: string; params?: object; [name: string]: unknown })[];
  let shown: NodeMessage[];

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'play-'))));
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => web.stop());

  async function start(more: object = {}, settings: object = {}): Promise<void> {
    web = await WebFlow.start([sink], [{ ...SINK, ...more }, ...FLOW.slice(1)], { settings: { userDir: folder, ...settings } });
    set = [];
    shown = [];
    helper.getNode('controls').on('input', (msg) => set.push(msg));
    helper.getNode('pictures').on('input', (msg) => shown.push(msg));
  }

  const enter = (): Promise<Visitor> => web.enter('stage/play');
  let count = 0;
  async function order(page: Visitor, what: object): Promise<News> {
    const n = ++count;
    const before = page.heard.length;
    page.send(JSON.stringify({ n, ...what }));
    await until(() => page.heard.some((news) => (news as News).n === n));
    return Object.assign({}, ...(page.heard.slice(before) as object[])) as News;
  }
  const jpegOf = (background: string): Promise<Buffer> =>
    sharp({ create: { width: 64, height: 48, channels: 3, background } })
      .jpeg()
      .toBuffer();
  const brightness = async (jpeg: Buffer): Promise<number> =>
    (await sharp(jpeg).stats()).channels.reduce((sum, { mean }) => sum + mean, 0) / 3;

  it('is there where the dialog says so, and nowhere else', async () => {
    await start({ controls: undefined });
    assert.equal((await fetch(`${web.address}/stage/play`)).status, 404);
    await web.stop();
    await start();
    const response = await fetch(`${web.address}/stage/play`);
    assert.equal(response.status, 200);
    const page = await response.text();
    assert.doesNotMatch(page, /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
    assert.match(await (await fetch(web.address)).text(), /play: 'stage'/, 'and stands in the list of pages');
  });

  it('sends what is set through the second output, and through the first one pictures alone', async () => {
    await start();
    const page = await enter();
    await order(page, { set: { prompt: 'a red castle', params: { strength: 0.4 } } });
    await until(() => set.length === 1);
    assert.deepEqual([set[0].prompt, set[0].params], ['a red castle', { strength: 0.4 }]);
    const payload = await jpegOf('#f00');
    helper.getNode('sink').receive({ payload });
    await until(() => shown.length === 1);
    assert.equal(set.length, 1);
  });

  it('sends knobs that are turned fast as a few messages, the newest values last', async () => {
    await start();
    const page = await enter();
    const began = performance.now();
    for (let k = 1; k <= 50; k++)
      page.send(JSON.stringify({ n: k, set: { params: { strength: k / 50, [k % 2 ? 'feedback' : 'seedDrift']: k / 50 } } }));
    const all = (): Record<string, number> => Object.assign({}, ...set.map(({ params }) => params)) as Record<string, number>;
    await until(() => all().strength === 1);
    assert.deepEqual(all(), { strength: 1, feedback: 49 / 50, seedDrift: 1 });
    const most = Math.ceil((performance.now() - began) / 33) + 2;
    assert.ok(set.length <= Math.min(50, most), `${set.length} messages`);
  });

  it('shows on all pages what one of them sets, in one order for all', async () => {
    await start();
    const [first, second] = [await enter(), await enter()];
    const pages = [first, second];
    for (let k = 0; k < 20; k++) pages[k % 2].send(JSON.stringify({ n: ++count, set: { params: { strength: (k + 1) / 20 } } }));
    const strengths = ({ heard }: Visitor): number[] => heard.flatMap((news) => (news as News).values?.params?.strength ?? []);
    // Each page hears the values of both.
    await until(() => pages.every((page) => strengths(page).length === 20));
    const seen = pages.map(strengths);
    assert.deepEqual(seen[0], seen[1]);
    const late = await enter();
    await until(() => late.heard.length > 0);
    assert.deepEqual((late.heard[0] as News).values?.params, { strength: seen[0].at(-1) });
  });

  it('refuses what no page can set, says what it may be, and sends nothing of it', async () => {
    await start();
    const page = await enter();
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
      const { error } = await order(page, what);
      assert.equal(error?.code, code, JSON.stringify(what).slice(0, 60));
    }
    for (const text of ['', '{', 'null', '[]', '"x"', '{"scene":99}', '{"scene":-1}', '{"save":8}', '{"clear":"x"}', '{"blackout":1}'])
      page.send(text);
    await order(page, {});
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(set, []);
    assert.equal(page.readyState, page.OPEN);
  });

  it('ends a page that sends without end, and one that sends too much at once', async () => {
    await start();
    const fast = await enter();
    for (let k = 0; k < 400; k++) fast.send('{}');
    assert.equal(await fast.closed, 1008);
    const large = await enter();
    large.send(JSON.stringify({ set: { prompt: 'x'.repeat(70_000) } }));
    assert.equal(await large.closed, 1009);
    const other = await enter();
    await order(other, { set: { params: { strength: 0.5 } } });
  });

  it('keeps scenes under eight buttons with a small picture, over a restart, and plays them as one message', async () => {
    await start();
    const page = await enter();
    helper.getNode('sink').receive({ payload: await jpegOf('#00f') });
    await order(page, { set: { prompt: 'night', params: { strength: 0.7, seed: 12 } } });
    const { scenes } = await order(page, { save: 2 });
    const scene = scenes?.[2];
    assert.deepEqual([scene?.name, scene?.prompt], ['night', 'night']);
    const { width, height } = await sharp(Buffer.from(scene?.picture ?? '', 'base64')).metadata();
    assert.deepEqual([width, height], [192, 120]);
    await order(page, { set: { prompt: 'day', params: { strength: 0.2 } } });
    await until(() => set.length > 0);
    await web.stop();
    assert.ok(existsSync(join(folder, 'streamdiffusion/scenes/stage.json')));

    await start();
    const again = await enter();
    await until(() => again.heard.length > 0);
    await eventually(async () => {
      await order(again, { scene: 2 });
      return set.length > 0;
    });
    set.length = 0;
    await order(again, { scene: 2 });
    assert.deepEqual([set[0].prompt, set[0].params, set[0].scene], ['night', { strength: 0.7, seed: 12 }, 3]);
    const cleared = await order(again, { clear: 2 });
    assert.equal(cleared.scenes?.[2], null);
  });

  it('sends what was set before the order that follows it, also what a scene does not know', async () => {
    await start();
    const page = await enter();
    await order(page, { set: { params: { strength: 0.7 } } });
    await order(page, { save: 0 });
    await until(() => set.length > 0);
    for (const last of [{ blackout: true }, { freeze: true }, { scene: 0 }]) {
      set.length = 0;
      // The first goes at once, the second waits for its turn.
      for (const feedback of [0.1, 0.2]) page.send(JSON.stringify({ set: { params: { feedback } } }));
      await order(page, last);
      await until(() => set.length > 0);
      const [before, given] = set.slice(-2);
      assert.deepEqual(before?.params, { feedback: 0.2 }, JSON.stringify(set));
      assert.ok(Object.keys(last)[0] in given, JSON.stringify(given));
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(set.at(-1), given, 'and nothing comes after it');
    }
  });

  it('leaves scenes out that a damaged file has, and says so', async () => {
    await start();
    await web.stop();
    const file = join(folder, 'streamdiffusion/scenes/stage.json');
    const kept = [{ name: 'fine', prompt: 'sea', params: { strength: 0.5 } }, { params: { strength: 9 } }, 'x', null, { prompt: 7 }];
    await writeFile(file, JSON.stringify(kept));
    await start();
    const page = await enter();
    await eventually(async () => {
      await order(page, { scene: 0 });
      return set.length > 0;
    });
    assert.deepEqual([set[0].prompt, set[0].params], ['sea', { strength: 0.5 }]);
    set.length = 0;
    for (const scene of [1, 2, 3, 4]) await order(page, { scene });
    assert.deepEqual(set, []);
    await web.stop();
    await writeFile(file, '{');
    await start();
    const { warn } = helper.getNode('sink') as unknown as { warn: { args: Error[][] } };
    await until(() => warn.args.some(([error]) => /scenes .* cannot be read/.test(String(error))));
  });

  it('shows the audience black and a standstill, from the page and from the flow, and says so on all pages', async () => {
    await start({ folder });
    const page = await enter();
    const node = helper.getNode('sink');
    const viewer = await web.enter('stage?details');
    const plain = await web.enter('stage');
    const seen = async (): Promise<number> => brightness(Buffer.from(await (await fetch(`${web.address}/stage.jpg`)).arrayBuffer()));
    node.receive({ payload: await jpegOf('#fff') });
    await until(() => plain.heard.length === 1);
    assert.ok((await seen()) > 200);

    const { show } = await order(page, { blackout: true, fade: 500 });
    assert.deepEqual(show, { blackout: true, freeze: false, recording: false });
    await until(() => viewer.heard.some((news) => JSON.stringify(news) === '{"blackout":true,"fade":500}'));
    await until(() => plain.heard.length === 2);
    assert.ok((await brightness(plain.heard[1] as Buffer)) < 2, 'a plain viewer gets a black picture');
    assert.ok((await seen()) < 2);
    node.receive({ payload: await jpegOf('#eee') });
    await until(() => shown.length === 2);
    const { file } = await order(page, { snapshot: true });
    assert.ok((await brightness(await readFile(join(folder, file ?? '')))) > 200, 'a snapshot is of the picture');
    assert.equal(plain.heard.length, 2);

    node.receive({ blackout: false, fade: 0 });
    await until(() => plain.heard.length === 3);
    assert.ok((await brightness(plain.heard[2] as Buffer)) > 200, 'and the newest picture comes back');
    await until(() => (page.heard.at(-1) as News).show?.blackout === false);

    await order(page, { freeze: true });
    node.receive({ payload: await jpegOf('#000') });
    await until(() => shown.length === 4);
    assert.ok((await seen()) > 200, 'the picture before stays');
    node.receive({ freeze: false, payload: await jpegOf('#000') });
    node.receive({ payload: await jpegOf('#000') });
    await until(() => plain.heard.length >= 4);
    assert.ok((await seen()) < 2);
    assert.deepEqual(
      set
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

  it('sends on what a microphone hears, and nothing that is not a share', async () => {
    await start();
    const page = await enter();
    await order(page, { sound: { level: 0.5, bass: 0.25, treble: 1, beat: true, more: 'x' } });
    await until(() => set.length === 1);
    assert.deepEqual(set[0].sound, { level: 0.5, bass: 0.25, treble: 1, beat: true });
    for (const sound of [7, {}, { level: 2, bass: 0, treble: 0 }, { level: 'loud', bass: 0, treble: 0 }]) {
      const { error } = await order(page, { sound });
      assert.equal(error?.code, 'EBADPARAM', JSON.stringify(sound));
    }
    assert.equal(set.length, 1);
  });

  it('says what cannot be done: a snapshot without a folder', async () => {
    await start();
    const page = await enter();
    helper.getNode('sink').receive({ payload: await jpegOf('#fff') });
    await until(() => shown.length === 1);
    const { error } = await order(page, { snapshot: true });
    assert.deepEqual([error?.code, /no folder/.test(error?.message ?? '')], ['EBADPARAM', true]);
  });

  it('has no more pages open than it can serve', async () => {
    await start();
    const pages = await Promise.all(Array.from({ length: 32 }, enter));
    assert.equal(await web.socket('stage/play'), 503);
    pages[0].close();
    await eventually(async () => typeof (await web.socket('stage/play')) === 'object');
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
      web = await WebFlow.start([withLogin, sink], flow, { settings: { userDir: folder }, guard });
      set = [];
      helper.getNode('controls').on('input', (msg) => set.push(msg));
      return web.address.replace('/streamdiffusion', '');
    }

    it('lets nobody play without a ticket, and gives one for one WebSocket to who may change flows', async () => {
      const root = await startWithEditor();
      const ask = (authorization: string, name = 'stage'): Promise<Response> =>
        fetch(`${root}/streamdiffusion/tickets/${name}`, { method: 'POST', headers: { authorization } });
      assert.equal((await fetch(`${web.address}/stage/play`)).status, 200, 'the page itself is for everybody who sees the pictures');
      assert.equal(await web.socket('stage/play'), 401);
      assert.equal(await web.socket('stage/play?ticket=guess'), 401);
      assert.equal((await ask('')).status, 401);
      assert.equal((await ask('Bearer may streamdiffusion.read')).status, 401);
      assert.equal((await ask('Bearer may streamdiffusion.write', 'nobody')).status, 404);
      const { ticket } = (await (await ask('Bearer may streamdiffusion.write')).json()) as { ticket: string };
      const page = await web.enter(`stage/play?ticket=${ticket}`);
      await order(page, { set: { prompt: 'sea' } });
      await until(() => set.length === 1);
      assert.equal(await web.socket(`stage/play?ticket=${ticket}`), 401, 'it is used up');
    });
  });
});
