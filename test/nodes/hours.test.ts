import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { LOOKED_AT } from '../../nodes/lib/common/looked-at';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { eventually, standsStill } from '../lib/until';
import { WebFlow } from '../lib/web-flow';

const real = Date.now;
/** Sets the clock on the wall to that time of a day in 2026, local. */
function setClock(text: string): void {
  const off = new Date(`2026-12-01T${text}`).getTime() - real();
  Date.now = () => real() + off;
}
const jpeg = (background: string): Promise<Buffer> =>
  sharp({ create: { width: 32, height: 32, channels: 3, background } })
    .jpeg()
    .toBuffer();
const texts = (states: unknown[]): string[] => states.map((state) => (state as { text?: string }).text ?? '');

describe('opening hours of a source', () => {
  afterEach(async () => {
    Date.now = real;
    await helper.unload();
  });

  async function start(more: object): Promise<{ frames: () => number; states: unknown[]; errors: unknown[] }> {
    const flow: FlowNode[] = [
      { id: 'source', type: 'streamdiffusion-source', kind: 'test-card', width: '32', height: '32', fps: '25', wires: [['out']], ...more },
      { id: 'out', type: 'helper' },
    ];
    await startFlow([source], flow);
    let frames = 0;
    helper.getNode('out').on('input', () => frames++);
    return { frames: () => frames, states: calls('source', 'status'), errors: calls('source', 'error') };
  }
  const tell = (msg: object): void => helper.getNode('source').receive(msg as never);
  async function goesOn({ frames }: { frames: () => number }): Promise<void> {
    const before = frames();
    await until(() => frames() > before + 3);
  }
  /** What is under way comes out, and then no frame in a time in which at that rate some ten would. */
  const rests = ({ frames }: { frames: () => number }): Promise<void> => standsStill(frames, 450);

  it('it reads nothing while it is closed, says until when, opens and closes by itself', async () => {
    setClock('09:00:00');
    const flow = await start({ hours: '10:00-18:00' });
    await rests(flow);
    setClock('10:00:00');
    await goesOn(flow);
    await until(() => /fps/.test(texts(flow.states).at(-1) ?? ''));
    setClock('18:00:00');
    await until(() => texts(flow.states).at(-1)?.includes('closedUntil') ?? false);
    await rests(flow);
    setClock('10:00:01');
    await goesOn(flow);
    assert.deepEqual(flow.errors, []);
  });

  it('keeps in mind over night whether it was told to run', async () => {
    setClock('12:00:00');
    const flow = await start({ hours: '10:00-18:00' });
    await goesOn(flow);
    tell({ payload: 'stop' });
    await rests(flow);
    setClock('20:00:00');
    tell({ payload: 'start' });
    await rests(flow);
    setClock('10:00:00');
    await goesOn(flow);
    tell({ payload: 'stop' });
    await rests(flow);
    // Nothing shows that it closes and opens meanwhile; that message has it look at the clock at once.
    for (const time of ['20:00:00', '11:00:00']) {
      setClock(time);
      tell({ hours: 'auto' });
    }
    await rests(flow);
  });

  it('obeys msg.hours, and takes it for no other order', async () => {
    setClock('20:00:00');
    const flow = await start({ hours: '10:00-18:00' });
    tell({ hours: 'open', payload: 1764500000000 });
    await goesOn(flow);
    tell({ hours: 'auto' });
    await rests(flow);
    tell({ hours: 'maybe' });
    await until(() => flow.errors.length === 1);
    assert.match(String(flow.errors[0]), /msg\.hours/);
    tell({ hours: 'open', payload: 'stop' });
    await rests(flow);
    tell({ payload: 'start' });
    await goesOn(flow);
  });

  it('opens no folder while it is closed: one that is not there is no fault', async () => {
    setClock('20:00:00');
    const folder = await mkdtemp(join(tmpdir(), 'hours-'));
    try {
      const flow = await start({ kind: 'folder', folder: join(folder, 'later'), interval: '50', hours: '10:00-18:00' });
      await rests(flow);
      assert.deepEqual(flow.errors, []);
      setClock('12:00:00');
      await until(() => flow.errors.length > 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what is wrong with its hours', async () => {
    const flow = await start({ hours: 'when the sun shines' });
    tell({ payload: 'start' });
    await until(() => flow.errors.length > 0);
    assert.equal((flow.errors[0] as { code: string }).code, 'EBADPARAM');
    assert.match(String(flow.errors[0]), /hours must be opening hours such as/);
  });
});

describe('opening hours of a sink', () => {
  let web: WebFlow;
  let red: Buffer;
  let blue: Buffer;
  before(async () => {
    [red, blue] = [await jpeg('#f00'), await jpeg('#00f')];
  });
  afterEach(async () => {
    Date.now = real;
    await web.stop();
  });

  async function start(more: object): Promise<unknown[]> {
    const node: FlowNode = { id: 'sink', type: 'streamdiffusion-sink', name: 'wall', hours: '10:00-18:00', wires: [['out']], ...more };
    web = await WebFlow.start([sink], [node, { id: 'out', type: 'helper' }]);
    return calls('sink', 'status');
  }
  const show = (payload: Buffer): void => helper.getNode('sink').receive({ payload });
  async function shown(): Promise<'red' | 'blue' | 'black' | 'nothing'> {
    const response = await fetch(`${web.address}/wall.jpg`);
    if (response.status !== 200) return 'nothing';
    const { channels } = await sharp(Buffer.from(await response.arrayBuffer())).stats();
    const [r, , b] = channels.map(({ mean }) => mean);
    return r > 128 ? 'red' : b > 128 ? 'blue' : 'black';
  }
  async function comesTo(wanted: string): Promise<void> {
    await eventually(async () => (await shown()) === wanted);
  }
  const closes = (states: unknown[]): Promise<void> => until(() => texts(states).at(-1)?.includes('closedUntil') ?? false);
  const isLookedAt = (): boolean | undefined => LOOKED_AT.of(helper.getNode('sink'))?.isLookedAt;

  it('shows black while it is closed, and nobody counts as looking on', async () => {
    setClock('12:00:00');
    const states = await start({});
    show(red);
    await comesTo('red');
    const viewer = await web.enter('wall?details');
    assert.equal(isLookedAt(), true);
    setClock('18:00:00');
    await until(() => viewer.heard.some((news) => JSON.stringify(news) === '{"blackout":true,"fade":2000}'));
    await comesTo('black');
    assert.equal(isLookedAt(), false);
    await until(() => texts(states).some((text) => /closedUntil.* · .*status\.viewer/.test(text)));
    show(blue);
    assert.equal(await shown(), 'black');
    setClock('10:00:00');
    await comesTo('blue');
    assert.equal(isLookedAt(), true);
    const late = await web.enter('wall?details');
    await until(() => late.heard.length > 0);
    assert.ok(!late.heard.some((news) => 'blackout' in (news as object)));
  });

  it('holds the last picture, by choice', async () => {
    setClock('12:00:00');
    const states = await start({ closed: 'still' });
    show(red);
    await comesTo('red');
    setClock('18:00:00');
    await closes(states);
    show(blue);
    assert.equal(await shown(), 'red');
    setClock('10:00:00');
    await until(() => {
      show(blue);
      return isLookedAt() === true;
    });
    await comesTo('blue');
  });

  it('keeps a black-out and a standstill of messages apart from its hours', async () => {
    setClock('12:00:00');
    const states = await start({});
    const tell = (msg: object): void => helper.getNode('sink').receive(msg as never);
    show(red);
    tell({ blackout: true });
    await comesTo('black');
    setClock('20:00:00');
    await closes(states);
    tell({ blackout: false });
    assert.equal(await shown(), 'black', 'it is closed');
    tell({ hours: 'open' });
    await comesTo('red');
    tell({ blackout: true });
    tell({ hours: 'closed' });
    tell({ hours: 'auto' });
    tell({ hours: 'open' });
    assert.equal(await shown(), 'black', 'the black-out is still on');
    tell({ blackout: false });
    await comesTo('red');
  });

  it('begins closed, and passes messages on all the same', async () => {
    setClock('20:00:00');
    await start({});
    let passed = 0;
    helper.getNode('out').on('input', () => passed++);
    assert.equal(isLookedAt(), false);
    show(red);
    await until(() => passed === 1);
    assert.equal(await shown(), 'black');
    const errors = calls('sink', 'error');
    helper.getNode('sink').receive({ hours: 'sometimes' } as never);
    await until(() => errors.length === 1);
    assert.equal((errors[0] as { code: string }).code, 'EBADPARAM');
  });
});
