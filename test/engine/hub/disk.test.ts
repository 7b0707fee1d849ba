import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pull } from '../../../engine/hub/pull';
import { hubSettings } from '../../../engine/hub/settings';
import { HubServer } from '../../lib/hub-server';
import { until } from '../../lib/until';

const MIB = 1024 * 1024;
const REPOSITORY = 'owner/tiny-model';

describe('pull: a disk that is full', () => {
  let hub: HubServer;
  let disk: string;

  /** A disk in memory of its own; only root may make one. */
  before(async function () {
    disk = await mkdtemp(join(tmpdir(), 'disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'none', disk], { stdio: 'ignore' });
    } catch {
      await rm(disk, { recursive: true });
      disk = '';
      console.log('    skipped: no disk can be mounted here (needs root)');
      this.skip();
    }
    hub = await HubServer.start(REPOSITORY, new Map([['unet/model.onnx', randomBytes(8 * MIB)]]));
  });

  after(async () => {
    if (!disk) return;
    await hub.stop();
    execFileSync('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  const pulled = (to = join(disk, 'model')): ReturnType<typeof pull> =>
    pull({ repository: REPOSITORY, to, settings: hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: disk }) });

  it('is noticed before the first byte', async () => {
    await writeFile(join(disk, 'filler'), Buffer.alloc(20 * MIB));
    await assert.rejects(pulled(), { code: 'EDISK', message: /has 63 MB free, and 76 MB are needed/ });
    assert.deepEqual(hub.rangesOf('unet/model.onnx'), []);
    await rm(join(disk, 'filler'));
  });

  it('is told when it fills up on the way, and what came stays', async () => {
    hub.faults.set('unet/model.onnx', { bytesPerSecond: MIB });
    const failing = assert.rejects(pulled(), {
      code: 'EDISK',
      message: /the disk is full; make room and start again: it resumes where it stopped/,
    });
    await until(() => hub.rangesOf('unet/model.onnx').length > 0);
    await new Promise((later) => setTimeout(later, 500));
    const { bavail, bsize } = await statfs(disk);
    // The download goes on meanwhile, so either of the two may take the last byte.
    await writeFile(join(disk, 'filler'), Buffer.alloc(bavail * bsize - MIB)).catch((error: NodeJS.ErrnoException) =>
      assert.equal(error.code, 'ENOSPC'),
    );
    await failing;
    assert.ok(!existsSync(join(disk, 'model')));

    await rm(join(disk, 'filler'));
    hub.faults.clear();
    const { bytes, downloadedBytes } = await pulled();
    assert.ok(downloadedBytes < bytes);
  });

  it('is told from a folder that cannot be written', async () => {
    if (process.getuid?.() === 0) {
      // Root may write everywhere but where nobody can.
      await assert.rejects(pulled('/proc/model'), { code: 'EDISK' });
      return;
    }
    await mkdir(join(disk, 'locked'));
    await chmod(join(disk, 'locked'), 0o500);
    await assert.rejects(pulled(join(disk, 'locked/model')), { code: 'EDISK', message: /choose another folder/ });
  });
});
