import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { PullProgress } from '../../../engine/hub/progress';
import { pullInProcess } from '../../../engine/hub/pull-process';
import { hubSettings, type HubSettings } from '../../../engine/hub/settings';
import { filesIn, HubServer, sha256 } from '../../lib/hub-server';
import { REFERENCE_MODEL } from '../../lib/reference';
import { until } from '../../lib/until';

const REPOSITORY = 'owner/tiny-model';
const WEIGHTS = 'unet/model.onnx_data';
const PATIENCE = { silenceMs: 20_000, tries: 3, pauseMs: 5 };

/** The processes of downloads that this one has started. */
function children(): number[] {
  const rows = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' }).split('\n');
  return rows.filter((row) => /streamdiffusion-download|pull-main/.test(row)).map((row) => Number.parseInt(row, 10));
}

describe('pull in a process of its own', () => {
  const weights = randomBytes(12_000_000);
  let hub: HubServer;
  let folder: string;
  let to: string;
  let settings: HubSettings;

  beforeEach(async () => {
    hub = await HubServer.start(REPOSITORY, filesIn(REFERENCE_MODEL).set(WEIGHTS, weights));
    folder = await mkdtemp(join(tmpdir(), 'pull-process-'));
    to = join(folder, 'model');
    settings = hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: join(folder, 'hf') });
  });
  afterEach(async () => {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('brings the model, reports how far it is, and leaves no process', async () => {
    const progress: PullProgress[] = [];
    const result = await pullInProcess({ repository: REPOSITORY, to, settings, onProgress: (now) => progress.push(now) });
    assert.equal(sha256(await readFile(join(to, WEIGHTS))), sha256(weights));
    assert.equal(result.folder, to);
    assert.equal(progress.at(-1)?.doneBytes, result.bytes);
    await until(() => children().length === 0);
  });

  it('takes little of the event loop of the process that asked for it', async () => {
    // The server that gives the bytes out runs in this process too, so it gives them out slowly.
    hub.faults.set(WEIGHTS, { bytesPerSecond: 10_000_000 });
    const delayDuring = async (work: () => Promise<unknown>): Promise<number> => {
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      await work();
      delay.disable();
      return delay.percentile(50) / 1e6;
    };
    const idle = (): Promise<number> => delayDuring(() => new Promise((resolve) => setTimeout(resolve, 500)));
    const before = await idle();
    const median = await delayDuring(() => pullInProcess({ repository: REPOSITORY, to, settings }));
    // A busy machine holds up a loop with nothing to do as well.
    const usual = Math.max(before, await idle());
    assert.ok(median < Math.max(15, 3 * usual), `median delay ${median} ms, and ${usual} ms with nothing to do`);
  });

  it('passes the reasons of errors and of tries on', async () => {
    const retries: string[] = [];
    const refused = pullInProcess({ repository: 'nobody/nothing', to, settings });
    await assert.rejects(refused, { code: 'EDENIED' });
    hub.faults.set(WEIGHTS, { status: 503 });
    const cut = pullInProcess({ repository: REPOSITORY, to, settings, retryPolicy: PATIENCE, onRetry: (reason) => retries.push(reason) });
    await assert.rejects(cut, { code: 'ENETWORK' });
    assert.match(retries[0], /503/);
  });

  it('ends when it is cancelled, and the next one goes on', async () => {
    const cancel = new AbortController();
    hub.faults.set(WEIGHTS, { bytesPerSecond: 3_000_000 });
    const cancelled = pullInProcess({
      repository: REPOSITORY,
      to,
      settings,
      signal: cancel.signal,
      onProgress: ({ doneBytes }) => doneBytes > 4_000_000 && cancel.abort(),
    });
    await assert.rejects(cancelled, { code: 'ECLOSED' });
    await until(() => children().length === 0);
    hub.faults.clear();
    const { downloadedBytes, bytes } = await pullInProcess({ repository: REPOSITORY, to, settings });
    assert.ok(downloadedBytes < bytes, `${downloadedBytes} of ${bytes}`);
  });

  it('says so when its process dies', async () => {
    hub.faults.set(WEIGHTS, { bytesPerSecond: 1_000_000 });
    let killed = false;
    const dying = pullInProcess({
      repository: REPOSITORY,
      to,
      settings,
      onProgress: () => {
        if (!killed) children().forEach((pid) => process.kill(pid, 'SIGKILL'));
        killed = true;
      },
    });
    await assert.rejects(dying, { code: 'EHOST', message: /SIGKILL/ });
  });
});
