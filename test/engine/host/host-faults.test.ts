import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireHost, stopAllHosts } from '../../../engine/host/client';
import type { FrameResult, StreamSettings } from '../../../engine/host/protocol/messages';
import type { Picture } from '../../../engine/image/picture';
import { become } from '../../lib/hosts';
import { jpegs } from '../../lib/pictures';
import { gone, isRunning } from '../../lib/processes';
import { REFERENCE_MODEL, ROOT } from '../../lib/reference';
import { PATIENCE } from '../../lib/until';

const STARTER = { model: 'starter' };
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25, 40], cfgType: 'none' };
const conditioning = { prompt: [{ text: 'night, snow', weight: 1 }] };

describe('host: what becomes of the engine when its process, model or parent fails', () => {
  let frames: (Picture & { kind: 'encoded' })[];
  before(async () => {
    frames = await jpegs(12);
  });
  afterEach(() => stopAllHosts());

  it('kill -9 while streaming: frames in flight are rejected, the picture comes back as it was set', async () => {
    const host = acquireHost(STARTER);
    const stream = host.openStream({ ...settings, format: 'raw' });
    await stream.setConditioning(conditioning);
    await stream.update({ seed: 7, width: 96 });
    const before = await stream.submit({ picture: frames[0] });
    const inFlight = Promise.allSettled(frames.map((picture) => stream.submit({ picture })));
    const pid = host.pid as number;
    process.kill(pid, 'SIGKILL');
    for (const result of await inFlight) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'EHOST');
    }
    let after: FrameResult = { outcome: 'dropped' };
    for (const end = performance.now() + PATIENCE; after.outcome !== 'finished'; ) {
      assert.ok(performance.now() < end, JSON.stringify(host.state));
      after = await stream.submit({ picture: frames[0] }).catch(() => after);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.notEqual(host.pid, pid);
    assert.ok(before.outcome === 'finished' && Buffer.from(after.data).equals(Buffer.from(before.data)));
  });

  it('a process that hangs is replaced after its deadline, with the reason', async () => {
    const host = acquireHost({ ...STARTER, silenceLimit: 4500 });
    const stream = host.openStream(settings);
    await stream.submit({ picture: frames[0] });
    const pid = host.pid as number;
    process.kill(pid, 'SIGSTOP');
    await assert.rejects(stream.submit({ picture: frames[1] }), { code: 'ETIMEOUT', message: /no sign of life for 4\.5 s/ });
    await gone(pid);
    await become(host, 'ready');
    assert.equal((await stream.submit({ picture: frames[1] })).outcome, 'finished');
  });

  it('a crash is a state with its reason, and a try to come', async () => {
    const host = acquireHost(STARTER);
    await become(host, 'ready');
    process.kill(host.pid as number, 'SIGSEGV');
    const state = await become(host, 'restarting');
    assert.ok(state.phase === 'restarting');
    assert.match(state.error.message, /ended by SIGSEGV/);
    assert.ok(state.delayMs < 1000);
    await become(host, 'ready');
  });

  it('a model that cannot be loaded fails once, with the reason at every frame, and loads when it is asked for again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'streamdiffusion-'));
    const host = acquireHost({ model: join(folder, 'model') });
    const stream = host.openStream(settings);
    await assert.rejects(stream.submit({ picture: frames[0] }), { code: 'ENOMODEL' });
    const state = await become(host, 'failed');
    assert.ok(state.phase === 'failed' && /model/.test(state.error.message));
    await assert.rejects(stream.submit({ picture: frames[0] }), { code: 'ENOMODEL' });

    await cp(REFERENCE_MODEL, join(folder, 'model'), { recursive: true });
    acquireHost({ model: join(folder, 'model') });
    await become(host, 'ready');
    rmSync(folder, { recursive: true });
  });

  it('stays with no dead parent: killed with -9 it leaves no process behind', async () => {
    const script = join(mkdtempSync(join(tmpdir(), 'streamdiffusion-')), 'parent.cjs');
    const client = JSON.stringify(join(ROOT, 'dist/engine/host/client/index.js'));
    writeFileSync(
      script,
      `const { acquireHost } = require(${client}); const host = acquireHost({ model: 'starter' });
       host.on('state', (state) => state.phase === 'ready' && process.send(host.pid));`,
    );
    const parent = fork(script);
    const [pid] = (await once(parent, 'message')) as [number];
    assert.ok(isRunning(pid));
    parent.kill('SIGKILL');
    await gone(pid);
  });
});
