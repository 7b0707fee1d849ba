import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availableMemory } from '../../../engine/util/available-memory';
import { acquireHost, type EngineSupervisor, stopAllHosts } from '../../../engine/host/client';
import type { HostState, StreamSettings } from '../../../engine/host/protocol/messages';
import { residentMemory } from '../../../engine/util/process-memory';
import type { Picture } from '../../../engine/image/picture';
import { PATIENCE, until } from '../../lib/until';

const MB = 1024 ** 2;
const LIMIT = 600 * MB;
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25], cfgType: 'none' };
const BLACK: Picture = { kind: 'raw', data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };
const RESTARTS = { first: 20, last: 50 };

/**
 * In the engine process: a width of 96 takes 20 MB every 50 ms without ever coming back to the event loop, up to 2 GB. So it takes
 * seconds from the limit to what is more than soon after it.
 */
const GREEDY = `
  if (process.send) process.on('message', ({ params }) => {
    if ((params?.settings?.width ?? params?.params?.width) !== 96) return;
    const hoard = [];
    for (let k = 0; k < 100; k++) {
      hoard.push(Buffer.alloc(20e6, 1));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
    while (hoard.length);
  });`;

describe('host: memory of the engine process', () => {
  let folder: string;
  const { NODE_OPTIONS } = process.env;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'greedy-'));
    await writeFile(join(folder, 'greedy.cjs'), GREEDY);
    process.env.NODE_OPTIONS = `--require ${join(folder, 'greedy.cjs')}`;
  });
  afterEach(() => stopAllHosts());
  after(async () => {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = NODE_OPTIONS;
    await rm(folder, { recursive: true });
  });

  async function ready(host: EngineSupervisor): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE);
    while (host.state.phase !== 'ready') await once(host, 'state', { signal: deadline });
  }
  function endsOf(host: EngineSupervisor): { code?: string; message: string }[] {
    const ends: { code?: string; message: string }[] = [];
    host.on('state', (state: HostState) => state.phase === 'restarting' && ends.push(state.error as Error));
    return ends;
  }

  it('is read from outside, by what every system has', async () => {
    const here = process.memoryUsage.rss();
    for (const platform of ['linux', 'darwin'] as const) {
      const read = (await residentMemory(process.pid, platform)) as number;
      assert.ok(read > here / 2 && read < here * 2, `${platform}: ${read} of ${here}`);
    }
    assert.equal(await residentMemory(2 ** 22 + 1), undefined);
    assert.ok(availableMemory() > 100 * MB && availableMemory() < 2 ** 50);
  });

  it('a process that takes memory while its event loop stands still is ended soon after its limit', async () => {
    const host = acquireHost({ model: 'starter', memoryLimit: LIMIT, restarts: RESTARTS });
    await ready(host);
    const stream = host.openStream(settings);
    await stream.submit({ picture: BLACK });
    const ends = endsOf(host);
    stream.update({ width: 96 }).catch(() => undefined);
    await until(() => ends.length === 1);
    assert.equal(ends[0].code, 'EMEMORY');
    const took = Number(/took (\d+) MiB/.exec(ends[0].message)?.[1]);
    // The message rounds: just above the limit is told as the limit.
    assert.ok(took >= 600 && took < 1400, `${took} MiB, of 2000 that it was about to take`);
  });

  it('after two ends for want of memory a stream goes back to its first settings, says so, and goes on', async () => {
    const host = acquireHost({ model: 'starter', memoryLimit: LIMIT, restarts: RESTARTS });
    await ready(host);
    const stream = host.openStream(settings);
    const other = host.openStream({ ...settings, height: 80 });
    let told = 0;
    stream.onGoneBack = () => told++;
    other.onGoneBack = () => assert.fail('it was never changed');
    await stream.submit({ picture: BLACK });
    const ends = endsOf(host);
    stream.update({ width: 96, seed: 5 }).catch(() => undefined);
    await until(() => ends.length === 2);
    await until(() => told === 1);
    assert.deepEqual(stream.settings, settings, 'also what those do not name');
    const result = await stream.submit({ picture: BLACK });
    assert.ok(result.outcome === 'finished' && result.width === 64);
    assert.equal((await other.submit({ picture: BLACK })).outcome, 'finished');
    assert.deepEqual(
      ends.map(({ code }) => code),
      ['EMEMORY', 'EMEMORY'],
    );
  });

  it('where nothing was changed the largest stream is set aside until it gets other settings, and the others go on', async () => {
    const host = acquireHost({ model: 'starter', memoryLimit: LIMIT, restarts: RESTARTS });
    await ready(host);
    const ends = endsOf(host);
    const small = host.openStream(settings);
    const large = host.openStream({ ...settings, width: 96 });
    await until(() => ends.length === 2);
    await until(() => host.state.phase === 'ready');
    assert.equal((await small.submit({ picture: BLACK })).outcome, 'finished');
    await assert.rejects(large.submit({ picture: BLACK }), {
      code: 'EMEMORY',
      message: /96x64 with 1 steps and a buffer of 1 takes more memory/,
    });
    await large.update({ width: 80 });
    assert.equal((await large.submit({ picture: BLACK })).outcome, 'finished');
    assert.equal(ends.length, 2);
  });
});
