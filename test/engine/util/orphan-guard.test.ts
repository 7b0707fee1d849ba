import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { childOptions } from '../../../engine/host/client/engine-process';
import { PATIENCE, until } from '../../lib/until';

/** Whether there is such a process that has not ended. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('an engine whose process was stopped', function () {
  this.timeout(60_000);
  let folder: string;
  before(function () {
    if (process.platform !== 'linux') this.skip();
    folder = mkdtempSync(join(tmpdir(), 'orphan-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function run(script: string): Promise<ChildProcessByStdio<null, Readable, null>> {
    const file = join(folder, 'parent.js');
    await writeFile(file, script);
    return spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  for (const how of ['SIGKILL', 'SIGTERM'] as const) {
    it(`ends with its parent (${how})`, async () => {
      const script = `
        const { EngineSupervisor } = require(${JSON.stringify(require.resolve('../../../engine/host/client'))});
        const host = new EngineSupervisor({ model: 'starter', intraOpNumThreads: 1 });
        host.on('state', ({ phase }) => phase === 'ready' && console.log(host.pid));
        host.start();`;
      const parent = await run(script);
      const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
      const engine = Number(chunk.toString());
      assert.ok(lives(engine));
      process.kill(engine, 'SIGSTOP');
      parent.kill(how);
      await once(parent, 'close');
      await until(
        () => !lives(engine),
        PATIENCE,
        () => `${engine} is still there`,
      );
    });
  }

  it('is not given the program that its parent was started with, nor its inspector', () => {
    assert.deepEqual(childOptions(['--max-old-space-size=100', '--inspect=9229', '-e', 'start()', '--expose-gc']), [
      '--max-old-space-size=100',
      '--expose-gc',
    ]);
    assert.deepEqual(childOptions(['-p', '1']), []);
  });
});
