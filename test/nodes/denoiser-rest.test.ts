import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import type { EngineNode, EngineUser } from '../../nodes/lib/engine/node';
import sink from '../../nodes/sink';
import { calls, helper, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { readMjpeg } from '../lib/mjpeg';
import { jpegs } from '../lib/pictures';
import { strain } from '../lib/strain';
import { WebFlow, type Visitor } from '../lib/web-flow';

const flowWith = (fields: object, behindSink: string[] = []): FlowNode[] => [
  { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
  {
    id: 'denoiser',
    type: 'streamdiffusion-denoiser',
    engine: 'engine',
    width: '64',
    height: '64',
    steps: '2',
    ...fields,
    wires: [['sink-1', 'sink-2'], ['status']],
  },
  { id: 'sink-1', type: 'streamdiffusion-sink', name: 'wall', wires: [behindSink] },
  { id: 'sink-2', type: 'streamdiffusion-sink', name: 'other', wires: [[]] },
  { id: 'status', type: 'helper' },
  { id: 'behind', type: 'helper' },
];

/** The engine's process, as it is known to its users. */
async function enginePid(): Promise<number> {
  const user: EngineUser = { onState: () => undefined };
  const node = helper.getNode('engine') as EngineNode;
  const { pid } = node.register(user);
  await node.deregister(user);
  return pid!;
}

/** Processor time of a process since it began, ms; in ticks of 10 ms. */
function cpuMs(pid: number): number {
  const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).map(Number);
  return 10 * (utime + stime);
}

describe('a denoiser that rests while nobody looks', () => {
  let frames: Buffer[];
  let web: WebFlow;
  let ledger: Ledger;
  let camera: NodeJS.Timeout | undefined;

  before(async () => {
    frames = (await jpegs(8)).map(({ data }) => Buffer.from(data));
  });
  afterEach(async () => {
    clearInterval(camera);
    await web.stop();
  });
  after(() => stopAllHosts());

  async function start(fields: object = {}, behindSink: string[] = []): Promise<void> {
    web = await WebFlow.start([engine, denoiser, sink], flowWith({ restUnseen: true, ...fields }, behindSink));
    ledger = keepLedger('denoiser', ['status']);
    await until(() => state()?.phase === 'ready');
  }
  /** What the denoiser tells once a second. */
  const state = (): { phase: string; resting?: boolean; streams: { out: number }[] } | undefined =>
    ledger.sent[0].at(-1)?.payload as ReturnType<typeof state>;
  const painted = (): number => state()?.streams.reduce((sum, { out }) => sum + out, 0) ?? 0;
  const give = (k: number, more: object = {}): void =>
    helper.getNode('denoiser').receive({ payload: frames[k % 8], frame: { id: k }, ...more } as NodeMessage);
  function film(): void {
    let k = 0;
    camera = setInterval(() => give(k++), 50);
  }
  const pictures = (visitor: Visitor): Buffer[] => visitor.heard.filter((message) => Buffer.isBuffer(message));
  /** Resolves when nothing has been painted from one status to the next: what was under way when the rest began comes out. */
  async function restsForGood(): Promise<number> {
    for (;;) {
      const before = painted();
      await toldAgain();
      if (painted() === before && state()?.resting === true) return before;
    }
  }
  /** Resolves when the status has been told anew, twice: what it says then holds since before the call. */
  async function toldAgain(): Promise<void> {
    const told = ledger.sent[0].length;
    await until(() => ledger.sent[0].length >= told + 2);
  }

  it('computes nothing and ends every message at once; the status says so', async () => {
    await start();
    const shown = calls('denoiser', 'status') as { text: string }[];
    film();
    await until(() => ledger.done.length > 10);
    await until(
      () => shown.some(({ text }) => /resting/.test(text)),
      undefined,
      () => JSON.stringify(shown),
    );
    const before = ledger.done.length;
    const pid = await enginePid();
    const measured = existsSync(`/proc/${pid}/stat`) && { at: performance.now(), cpu: cpuMs(pid) };
    await toldAgain();
    assert.equal(painted(), 0);
    assert.ok(ledger.done.length > before);
    assert.deepEqual([state()?.resting, ledger.errors], [true, []]);
    if (!measured) return;
    const cpu = cpuMs(pid) - measured.cpu;
    const ms = performance.now() - measured.at;
    console.log(`      the engine's process took ${cpu} ms of processor time in ${Math.round(ms)} ms`);
    assert.ok(cpu < 0.05 * ms, `${cpu} ms of processor time in ${ms} ms`);
  });

  it('paints what it holds as soon as somebody looks, goes on, and rests again when they have gone', async () => {
    await start();
    give(1);
    // The source has nothing more to say: the page must show this one.
    await until(() => ledger.done.length === 1);
    const opened = performance.now();
    const visitor = await web.enter('wall');
    await until(() => pictures(visitor).length > 0);
    const ms = performance.now() - opened;
    console.log(`      first picture ${Math.round(ms)} ms after the address was opened`);
    assert.ok(ms < 5000 * strain(), `${ms} ms`);
    assert.equal((await sharp(pictures(visitor)[0]).metadata()).width, 64);

    film();
    await until(() => pictures(visitor).length > 5 && state()?.resting === false);
    visitor.close();
    await visitor.closed;
    await until(() => state()?.resting === true);
    const { length } = ledger.done;
    const before = await restsForGood();
    await toldAgain();
    assert.equal(painted(), before);
    assert.ok(ledger.done.length > length);
    assert.deepEqual(ledger.errors, []);
  });

  it('paints for an MJPEG stream of any of its sinks', async () => {
    await start();
    film();
    await until(() => state()?.resting === true);
    let seen = 0;
    for await (const { jpeg } of readMjpeg(`${web.address}/other.mjpg`)) {
      assert.equal((await sharp(jpeg).metadata()).format, 'jpeg');
      if (++seen === 5) break;
    }
    await until(() => painted() >= 5);
  });

  it('gives who asks for the newest JPEG a new one, not the last before the rest', async () => {
    await start();
    give(0);
    await until(() => ledger.done.length === 1);
    const ask = async (): Promise<Buffer> => Buffer.from(await (await fetch(`${web.address}/wall.jpg`)).arrayBuffer());
    const first = await ask();
    await until(() => {
      give(0);
      return state()?.resting === true;
    });
    const asleep = ledger.done.length;
    give(3);
    await until(() => ledger.done.length > asleep);
    const asked = performance.now();
    const answer = await ask();
    // A machine that cannot paint one picture within two seconds gives the one before.
    assert.ok(!answer.equals(first) || performance.now() - asked > 1900);
  });

  it('takes parameters over meanwhile, and keeps to the newest', async () => {
    await start();
    give(0, { params: { width: 128, height: 64 } });
    helper.getNode('denoiser').receive({ params: { height: 128 } } as NodeMessage);
    await until(() => ledger.done.length === 2);
    const visitor = await web.enter('wall');
    await until(() => pictures(visitor).length > 0);
    const { width, height } = await sharp(pictures(visitor)[0]).metadata();
    assert.deepEqual([width, height], [128, 128]);
    assert.deepEqual(ledger.errors, []);
  });

  it('refuses what is not a picture as ever', async () => {
    await start();
    helper.getNode('denoiser').receive({ payload: { not: 'a picture' } } as NodeMessage);
    await until(() => ledger.ended === 1);
    assert.deepEqual(ledger.errors, ['EBADFRAME']);
  });

  it('does not rest while anything else stands behind it', async () => {
    await start({}, ['behind']);
    film();
    await until(() => painted() > 5);
    assert.equal(state()?.resting, false);
  });

  it('does not rest unless it was told to', async () => {
    await start({ restUnseen: false });
    film();
    await until(() => painted() > 5);
    assert.equal(state()?.resting, undefined);
  });
});
