import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireHost, type EngineSupervisor, stopAllHosts } from '../../../engine/host/client';
import { ProviderOrder } from '../../../engine/host/client/provider-order';
import { Restarts } from '../../../engine/host/client/restarts';
import { isValidFrame } from '../../../engine/host/protocol/valid-frame';
import { VitalSigns } from '../../../engine/host/client/vital-signs';
import type { FrameResult, HostState, StreamSettings } from '../../../engine/host/protocol/messages';
import type { Picture } from '../../../engine/image/picture';
import { faultyEncoder } from '../../lib/faulty-encoder';
import { become } from '../../lib/hosts';
import { changedModel, removeModelFolders } from '../../lib/model-folder';
import { jpegs } from '../../lib/pictures';
import { isRunning } from '../../lib/processes';
import { REFERENCE_MODEL, ROOT } from '../../lib/reference';
import { PATIENCE, until } from '../../lib/until';

/** KILLS=100 for the whole of it, as in test/soak/RESULTS.md. */
const KILLS = Number(process.env.KILLS ?? 5);
const STARTER = join(ROOT, 'models/starter');
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25, 40], cfgType: 'none', format: 'raw' };
const WHITE: Picture = { kind: 'raw', data: new Uint8Array(64 * 64 * 3).fill(255), width: 64, height: 64, channels: 3 };
const BLACK: Picture = { ...WHITE, data: new Uint8Array(64 * 64 * 3) };

function watch(host: EngineSupervisor): HostState[] {
  const states: HostState[] = [];
  host.on('state', (state) => states.push(state));
  return states;
}

const errors = (states: HostState[]): string[] => states.flatMap((state) => (state.phase === 'restarting' ? [state.error.message] : []));

describe('host: supervision', () => {
  let frames: Picture[];
  before(async () => {
    frames = await jpegs(8);
  });
  afterEach(() => stopAllHosts());
  after(() => removeModelFolders());

  it('a net that hangs is noticed while its process still answers, and replaced', async () => {
    const model = await changedModel({ 'vae_encoder/model.onnx': faultyEncoder('hangs') }, STARTER);
    const host = acquireHost({ model, stallLimit: 4000, intraOpNumThreads: 1 });
    const stream = host.openStream(settings);
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
    const pid = host.pid as number;
    await assert.rejects(stream.submit({ picture: WHITE }), { code: 'ETIMEOUT', message: /no progress for 4 s.*hangs/ });
    await until(() => !isRunning(pid));
    await become(host, 'ready');
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
  });

  it('a process over its memory limit is replaced, and the reason has both numbers', async () => {
    const host = acquireHost({ model: 'starter', memoryLimit: 60 * 1024 ** 2 });
    const state = await become(host, 'restarting');
    assert.ok(state.phase === 'restarting');
    assert.equal((state.error as { code?: string }).code, 'EMEMORY');
    assert.match(state.error.message, /took \d+ MiB of memory, over its limit of 60 MiB/);
  });

  it('an execution provider that fails while it runs is given up for the next one, which is said', async () => {
    const model = await changedModel({ 'vae_encoder/model.onnx': faultyEncoder('fails') }, STARTER);
    const host = acquireHost({ model, executionProviders: ['cpu:0', 'cpu'], restarts: { first: 20, last: 50 } });
    const stream = host.openStream(settings);
    const states = watch(host);
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
    assert.ok(host.state.phase === 'ready' && host.state.info.executionProvider === 'cpu:0');
    await until(() => {
      if (host.state.phase === 'ready') stream.submit({ picture: WHITE }).catch(() => undefined);
      return host.state.phase === 'ready' && host.state.info.executionProvider === 'cpu';
    });
    assert.equal(errors(states).length, 2, 'the first failure may be healed by a new process');
    assert.match(errors(states)[0], /failed 3 times in a row.*vae_encoder/);
    assert.match(host.state.warnings.join(), /cpu:0 failed while it ran, the next provider took over/);
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
  });

  it('what is not a number is never shown as a picture', async () => {
    const model = await changedModel({ 'vae_encoder/model.onnx': faultyEncoder('gives NaN') }, STARTER);
    const stream = acquireHost({ model }).openStream(settings);
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
    await assert.rejects(stream.submit({ picture: WHITE }), { code: 'EBADMODEL', message: /NaN instead of numbers/ });
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
  });

  it('a process that answers with nonsense is replaced', async () => {
    // Memory that was damaged: the third picture has no beginning any more.
    const folder = await mkdtemp(join(tmpdir(), 'damage-'));
    const flag = join(folder, 'damaged');
    await writeFile(
      join(folder, 'damage.cjs'),
      `
      const { existsSync, writeFileSync } = require('node:fs');
      const send = process.send;
      let answers = 0;
      if (send && !existsSync(${JSON.stringify(flag)})) process.send = function (message, ...rest) {
        if (message.result?.outcome === 'finished' && ++answers === 3) { message.result.data.fill(0); writeFileSync(${JSON.stringify(flag)}, ''); }
        return send.call(this, message, ...rest);
      };`,
    );
    const { NODE_OPTIONS } = process.env;
    process.env.NODE_OPTIONS = `--require ${join(folder, 'damage.cjs')}`;
    try {
      const host = acquireHost({ model: 'starter' });
      const stream = host.openStream({ ...settings, format: 'jpeg' });
      for (let k = 0; k < 2; k++) assert.equal((await stream.submit({ picture: frames[k] })).outcome, 'finished');
      await assert.rejects(stream.submit({ picture: frames[2] }), { code: 'EHOST', message: /an invalid picture/ });
      await become(host, 'ready');
      assert.equal((await stream.submit({ picture: frames[3] })).outcome, 'finished');
    } finally {
      if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = NODE_OPTIONS;
      await rm(folder, { recursive: true });
    }
  });

  it('a model that is missing is tried again without being asked for, and without a word until it is there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'streamdiffusion-'));
    const host = acquireHost({ model: join(folder, 'model'), restarts: { hopeless: 300 } });
    const states = watch(host);
    await become(host, 'failed');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepEqual(
      states.map(({ phase }) => phase),
      ['failed'],
    );
    await cp(REFERENCE_MODEL, join(folder, 'model'), { recursive: true });
    await become(host, 'ready');
    await rm(folder, { recursive: true });
  });

  it('a process that dies at every start is started ever more slowly, and frames are not kept waiting', async () => {
    const host = acquireHost({ model: 'starter', restarts: { first: 40, last: 200 } });
    const stream = host.openStream(settings);
    const ends: number[] = [];
    const assassin = setInterval(() => {
      if (host.state.phase === 'starting' && host.pid) process.kill(host.pid, 'SIGKILL');
    }, 5);
    host.on('state', (state) => {
      if (state.phase === 'restarting') ends.push(state.delayMs);
    });
    await until(() => ends.length >= 6);
    await assert.rejects(stream.submit({ picture: BLACK }), { code: 'EHOST', message: /SIGKILL/ });
    clearInterval(assassin);
    await become(host, 'ready');
    assert.ok(ends[0] < 50 && ends[3] > 150 && Math.max(...ends) <= 240, ends.join());
    assert.equal((await stream.submit({ picture: BLACK })).outcome, 'finished');
  });

  it(`killed ${KILLS} times while two streams run: it comes back every time, no frame is lost, every picture is as it should be`, async function () {
    this.timeout(60_000 + KILLS * 20_000);
    const host = acquireHost({ model: 'starter', restarts: { first: 1, last: 1 } });
    const conditionings = ['night, snow', 'sunset over the sea'].map((text) => ({ prompt: [{ text, weight: 1 }] }));
    const streams = conditionings.map((_, k) => host.openStream({ ...settings, seed: k }));
    await Promise.all(streams.map((stream, k) => stream.setConditioning(conditionings[k])));
    const data = (result: FrameResult): Buffer | undefined => (result.outcome === 'finished' ? Buffer.from(result.data) : undefined);
    const undisturbed: Buffer[][] = [];
    for (const stream of streams) {
      const own: Buffer[] = [];
      for (const picture of frames) own.push(data(await stream.submit({ picture })) as Buffer);
      undisturbed.push(own);
    }

    const pids = new Set<number>();
    const ledger = { given: 0, finished: 0, lost: 0, wrong: 0 };
    let over = false;
    const feed = async (k: number): Promise<void> => {
      for (let n = 0; !over; n++) {
        ledger.given++;
        const frame = n % frames.length;
        try {
          const picture = data(await streams[k].submit({ picture: frames[frame] }));
          if (picture) ledger.finished++;
          else ledger.lost++;
          if (picture && !closeTo(picture, undisturbed[k][frame])) ledger.wrong++;
        } catch (thrown) {
          assert.equal((thrown as { code: string }).code, 'EHOST');
          ledger.lost++;
          await new Promise((resolve) => setTimeout(resolve, 5)); // while there is no engine the answer comes at once
        }
      }
    };
    const feeds = [feed(0), feed(1)];
    for (let round = 0; round < KILLS; round++) {
      await become(host, 'ready');
      const finished = streams.map(({ stats }) => stats.out);
      await until(
        () => streams.every(({ stats }, k) => stats.out > finished[k]),
        PATIENCE,
        () => `round ${round}: ${JSON.stringify(host.state)}`,
      );
      await new Promise((resolve) => setTimeout(resolve, (round * 7) % 30));
      pids.add(host.pid as number);
      process.kill(host.pid as number, 'SIGKILL');
      await become(host, 'restarting');
    }
    await become(host, 'ready');
    over = true;
    await Promise.all(feeds);
    assert.equal(pids.size, KILLS);
    assert.deepEqual([...pids].filter(isRunning), []);
    assert.equal(ledger.finished + ledger.lost, ledger.given);
    assert.equal(ledger.wrong, 0, JSON.stringify(ledger));
    assert.ok(ledger.finished >= 2 * KILLS, JSON.stringify(ledger));
    assert.equal(host.report.restarts, KILLS);
  });
});

/** Rows of two streams share a run or do not. Where kernels round alike for any number of rows, the difference is none; elsewhere a grey value at most. */
function closeTo(picture: Buffer, expected: Buffer): boolean {
  return picture.length === expected.length && picture.every((value, i) => Math.abs(value - expected[i]) <= 2);
}

describe('host: what supervision decides', () => {
  it('counts looks, not the clock, so that a parent that slept does not take its child for dead', () => {
    const limits = { silence: 1000, stall: 3000, loading: 5000, memory: 100 };
    const signs = new VitalSigns(limits, 500);
    assert.equal(signs.check('answers') ?? signs.check('answers'), undefined);
    assert.equal(signs.check('answers')?.code, 'ETIMEOUT');
    signs.heard();
    for (let k = 0; k < 4; k++) {
      assert.equal(signs.check('loading'), undefined);
    }
    signs.heartbeat({ memory: 101, runs: 1, runningMs: 0 });
    assert.equal(signs.check('nothing')?.code, 'EMEMORY');
  });

  it('takes a process with heartbeats for hung when no net ends a run', () => {
    const signs = new VitalSigns({ silence: 1000, stall: 3000, loading: 5000, memory: 1e9 }, 500);
    const beat = (runs: number): string | undefined => {
      signs.heard();
      signs.heartbeat({ memory: 1, runs, runningMs: 0 });
      return signs.check('answers')?.message;
    };
    for (let k = 0; k < 20; k++) assert.equal(beat(k), undefined);
    for (let k = 0; k < 5; k++) assert.equal(beat(19), undefined);
    assert.match(beat(19) ?? '', /no progress for 3 s/);
  });

  it('waits longer from end to end, and shortly again after a sound life', () => {
    const restarts = new Restarts({ first: 100, last: 1000, sound: 5000 });
    const delays = Array.from({ length: 8 }, () => restarts.ended(100));
    for (const [k, delay] of delays.entries()) {
      const exact = Math.min(1000, 100 * 2 ** k);
      assert.ok(delay >= 0.79 * exact && delay <= 1.21 * exact, `${k}: ${delay}`);
    }
    assert.ok(restarts.ended(6000) <= 121);
    assert.deepEqual([restarts.attempt, restarts.count], [1, 9]);
  });

  it('gives a provider up for a while, never the last one', () => {
    const order = new ProviderOrder(['cuda', 'cpu']);
    order.giveUp(undefined, 'lost', 0);
    assert.deepEqual(order.left, ['cpu']);
    assert.match(order.notes.join(), /cuda.*lost/);
    order.giveUp('cpu', 'lost', 0);
    assert.deepEqual(order.left, ['cpu']);
    order.forgive(599_000);
    assert.deepEqual(order.left, ['cpu']);
    order.forgive(601_000);
    assert.deepEqual([order.left, order.notes], [['cuda', 'cpu'], []]);
  });

  it('knows a frame from what is none', () => {
    const jpeg = { outcome: 'finished', data: Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), format: 'jpeg', width: 8, height: 8, latencyMs: 1 };
    const raw = { ...jpeg, format: 'raw', data: new Uint8Array(192) };
    for (const good of [{ outcome: 'dropped' }, jpeg, raw]) assert.ok(isValidFrame(good));
    const bad = [
      undefined,
      null,
      5,
      {},
      { outcome: 'finished' },
      { ...jpeg, data: new Uint8Array(0) },
      { ...jpeg, data: 'text' },
      { ...jpeg, width: NaN },
      { ...raw, width: 9 },
      { ...jpeg, format: 'bmp' },
      { ...jpeg, format: 'png' },
    ];
    for (const one of bad) assert.ok(!isValidFrame(one), JSON.stringify(one));
  });
});
