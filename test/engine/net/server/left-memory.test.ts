import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HttpTransport } from '../../../../engine/net/server/http-transport';
import { MEMORY_FOLDER, MemoryFile, sweepMemoryFiles } from '../../../../engine/net/server/memory-file';
import { MemoryRegions } from '../../../../engine/net/server/memory-regions';
import { readAccess } from '../../../../engine/net/server/options';
import { InferenceServer } from '../../../lib/inference-server';
import { ServerMemory } from '../../../lib/inference-server-memory';
import { until } from '../../../lib/until';

describe('what a process has left in shared memory that was killed', () => {
  before(function () {
    if (existsSync(MEMORY_FOLDER)) return;
    console.log(`    skipped: no ${MEMORY_FOLDER} here`);
    this.skip();
  });

  /** A file that a process has made that is no more. */
  async function leftOver(): Promise<string> {
    const script = `const { MemoryFile } = require(${JSON.stringify(require.resolve('../../../../engine/net/server/memory-file'))}); console.log(MemoryFile.create(4096).name); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script]);
    const name = await new Promise<string>((said) => child.stdout.once('data', (chunk: Buffer) => said(chunk.toString().trim())));
    assert.ok(existsSync(join(MEMORY_FOLDER, name)));
    sweepMemoryFiles();
    assert.ok(existsSync(join(MEMORY_FOLDER, name)), 'it is in use');
    child.kill('SIGKILL');
    await new Promise((ended) => child.once('close', ended));
    return name;
  }

  it('files are removed by the next one', async () => {
    const name = await leftOver();
    const own = MemoryFile.create(4096);
    sweepMemoryFiles();
    assert.ok(!existsSync(join(MEMORY_FOLDER, name)));
    assert.ok(existsSync(join(MEMORY_FOLDER, own.name)));
    own.unlink();
    own.close();
  });

  it("what cannot be removed stops nothing: another user's file, or a folder of such a name", async () => {
    const name = await leftOver();
    const stuck = `${name.slice(0, -16)}${'f'.repeat(16)}`;
    mkdirSync(join(MEMORY_FOLDER, stuck));
    try {
      sweepMemoryFiles();
      assert.ok(existsSync(join(MEMORY_FOLDER, stuck)) && !existsSync(join(MEMORY_FOLDER, name)));
    } finally {
      rmdirSync(join(MEMORY_FOLDER, stuck));
    }
  });

  it('regions are unregistered by the next one, when nothing of it can be computed any more; those of others stay', async () => {
    const server = await InferenceServer.start({});
    server.memory = new ServerMemory();
    const name = await leftOver();
    const foreign = join(MEMORY_FOLDER, `other-${process.pid}`);
    closeSync(openSync(foreign, 'w'));
    server.memory.register(name, `/${name}`, 4096);
    server.memory.register('of another program', `/other-${process.pid}`, 0);
    rmSync(foreign);
    const { addresses, access } = readAccess({ addresses: [server.address] });
    const transport = new HttpTransport(addresses[0], access, () => undefined);
    const regions = new MemoryRegions(transport, 50);
    await regions.prepare();
    assert.ok(server.memory.regions.includes(name));
    await until(() => !server.memory!.regions.includes(name));
    assert.equal(server.memory.regions.length, 2);
    await regions.close();
    assert.deepEqual(server.memory.regions, ['of another program']);
    transport.close();
    await server.stop();
    sweepMemoryFiles();
  });
});
