import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '../../../../engine/net/net';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import type { ServerAccess } from '../../../../engine/net/server/options';
import { MEMORY_FOLDER } from '../../../../engine/net/server/memory-file';
import { ServerNet } from '../../../../engine/net/server/server-net';
import { isThisMachine } from '../../../../engine/net/server/shared-memory';
import { InferenceServer } from '../../../lib/inference-server';
import { ServerMemory } from '../../../lib/inference-server-memory';
import { tinyUnet } from '../../../lib/onnx-maker';

function feeds(rows: number, seed = 0): Record<string, Tensor> {
  const tensor = (length: number, dims: number[]): Tensor => ({
    type: 'float32',
    data: Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7 + rows + seed)),
    dims,
  });
  return {
    sample: tensor(rows * 4 * 6 * 5, [rows, 4, 6, 5]),
    timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(3 - i)), dims: [rows] },
    encoder_hidden_states: tensor(rows * 7 * 32, [rows, 7, 32]),
  };
}

/** Of this process; others may use memory at the same time. */
function ownFiles(): string[] {
  return readdirSync(MEMORY_FOLDER).filter((name) => new RegExp(`^streamdiffusion-\\d+-${process.pid}-`).test(name));
}

for (const protocol of ['http', 'grpc'] as const)
  describe(`shared memory with an inference server on the same machine, over ${protocol}`, () => {
    let local: OnnxNet;
    let server: InferenceServer;
    let memory: ServerMemory;
    const opened: ServerNet[] = [];
    const servers: InferenceServer[] = [];

    const start = async (port?: number): Promise<InferenceServer> => {
      const started = await InferenceServer.start({ tiny: { net: local } }, { port, protocol });
      started.memory = new ServerMemory();
      servers.push(started);
      return started;
    };
    const open = async (settings: Partial<ServerAccess> = {}): Promise<ServerNet> => {
      const { inputs, outputs } = local;
      const net = await ServerNet.open(
        'tiny',
        { inputs, outputs, fingerprint: () => Promise.resolve('right') },
        { addresses: [server.address], ...settings },
      );
      opened.push(net);
      return net;
    };
    const isRight = async (net: ServerNet, rows: number, seed = 0): Promise<void> =>
      assert.deepEqual(await net.run(feeds(rows, seed)), await local.run(feeds(rows, seed)));

    before(async function () {
      if (!existsSync(MEMORY_FOLDER)) {
        console.log(`    skipped: no ${MEMORY_FOLDER} here`);
        return this.skip();
      }
      local = await OnnxNet.load(tinyUnet(), { executionProvider: 'cpu' });
    });
    beforeEach(async () => {
      server = await start();
      memory = server.memory!;
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((net) => net.close()));
      await Promise.all(servers.splice(0).map((one) => one.stop().catch(() => undefined)));
    });
    after(() => local?.close());

    it('what passes through it is what is sent: the first run of a shape is, the others pass through it', async () => {
      const net = await open();
      assert.deepEqual(net.sharedMemory, [{ where: server.address, off: undefined }]);
      for (const rows of [2, 2, 1, 2, 1, 5, 5]) await isRight(net, rows, server.runs.length);
      assert.deepEqual([memory.reads, memory.writes], [4 * 3, 4]);
      assert.equal(memory.registered.length, 1, 'one region is used again and again');
    });

    it('a region of its own for every run that is under way, and larger ones for larger runs', async () => {
      const net = await open();
      for (const rows of [1, 2, 300]) await isRight(net, rows);
      server.fault = { together: 6 };
      await Promise.all([1, 2, 300, 2, 1, 300].map((rows, seed) => isRight(net, rows, seed)));
      assert.equal(memory.writes, 6);
      assert.equal(memory.registered.length, 6);
      await isRight(net, 300);
      assert.equal(memory.registered.length, 6);
    });

    it('does without where there are too many at once', async () => {
      const net = await open();
      await isRight(net, 1);
      server.fault = { together: 24 };
      await Promise.all(Array.from({ length: 24 }, (_, seed) => isRight(net, 1, seed)));
      assert.equal(memory.writes, 16);
      assert.equal(memory.registered.length, 16);
    });

    it('leaves nothing: no names while it is in use, no regions on the server afterwards', async () => {
      const before = ownFiles();
      const net = await open();
      for (let k = 0; k < 3; k++) await isRight(net, 2, k);
      assert.deepEqual(ownFiles(), before);
      await net.close();
      assert.deepEqual(memory.regions, []);
    });

    it('is not used where it is not wanted, not on this machine, or not there', async () => {
      assert.deepEqual((await open({ sharedMemory: false })).sharedMemory, []);
      assert.deepEqual(['localhost', '127.0.0.1', '127.1.2.3', '::1'].map(isThisMachine), [true, true, true, true]);
      assert.deepEqual(['gpu-1', '203.0.113.7', '12.7.0.1'].map(isThisMachine), [false, false, false]);
      server.memory = undefined;
      const net = await open();
      assert.match(net.sharedMemory[0].off ?? '', /does not have the extension/);
      for (let k = 0; k < 3; k++) await isRight(net, 2, k);
    });

    describe('never gives a wrong picture', () => {
      let folder: string;
      beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'memory-'))));
      afterEach(() => rmSync(folder, { recursive: true }));

      it('a server in a container, with a memory of its own: tensors are sent, and the reason is told', async () => {
        memory.folder = folder;
        const net = await open();
        assert.match(net.sharedMemory[0].off ?? '', /Unable to open shared memory region/);
        for (let k = 0; k < 3; k++) await isRight(net, 2, k);
        assert.equal(memory.writes, 0);
      });

      it('a server that finds another file under the name: nothing of it is used', async () => {
        memory.substitute = join(folder, 'other');
        writeFileSync(memory.substitute, Buffer.alloc(2 ** 20));
        const net = await open();
        for (let k = 0; k < 5; k++) await isRight(net, 2, k);
        assert.match(net.sharedMemory[0].off ?? '', /does not write to the memory/);
        const { writes } = memory;
        await isRight(net, 2);
        assert.equal(memory.writes, writes, 'it is not tried any more');
      });

      it('a server that says it has written and has not: what an earlier run has left there is not taken', async () => {
        const net = await open();
        for (let k = 0; k < 3; k++) await isRight(net, 2, k);
        memory.isMute = true;
        for (let k = 3; k < 6; k++) await isRight(net, 2, k);
        memory.isMute = false;
        for (let k = 6; k < 9; k++) await isRight(net, 2, k);
      });

      it('a run that was given up and is answered late does not write into a later one', async () => {
        const net = await open({ timeoutMs: 1000 });
        for (let k = 0; k < 2; k++) await isRight(net, 2, k);
        server.fault = { delayMs: 2500, times: 1 };
        await assert.rejects(net.run(feeds(2)), { code: 'ETIMEOUT' });
        const { writes } = memory;
        // A machine that is too busy for the deadline gives others up as well, which costs a region each.
        let givenUp = 1;
        const isRightOrLate = (seed: number): Promise<void> =>
          isRight(net, 2, seed).catch((thrown: Error & { code?: string }) => {
            if (thrown.code !== 'ETIMEOUT') throw thrown;
            givenUp++;
          });
        for (let k = 0; k < 5 || server.busy > 0 || memory.writes < writes + 6; k++) await isRightOrLate(k);
        assert.ok(memory.registered.length <= 1 + givenUp, `${memory.registered.length} regions, ${givenUp} runs were given up`);
      });

      it('a server that sends what it was to write is believed', async () => {
        const net = await open();
        await isRight(net, 2);
        const { compute } = server;
        server.compute = (name, served, asked, read) =>
          compute.call(server, name, served, { ...asked, outputs: asked.outputs.map((output) => ({ name: output.name })) }, read);
        await isRight(net, 2, 1);
        assert.equal(memory.writes, 0);
      });
    });

    it('a server that was started again is told of its regions again', async () => {
      const net = await open();
      for (let k = 0; k < 2; k++) await isRight(net, 2, k);
      memory.forget();
      await isRight(net, 2);
      assert.equal(memory.writes, 1, 'this one was sent');
      await isRight(net, 2);
      assert.equal(memory.writes, 2);
      await server.stop();
      await assert.rejects(net.run(feeds(2)), { code: 'ENETWORK' });
      const back = (await start(server.port)).memory!;
      for (let k = 0; k < 3; k++) await isRight(net, 2, k);
      assert.ok(back.writes >= 1);
    });

    it('runs that fail together because it was started again are one failure; an address behind which servers take turns is three', async () => {
      const net = await open();
      await isRight(net, 1);
      const runs = (): Promise<unknown> => {
        // All are under way before the first of them is answered.
        server.mostBusy = 0;
        server.fault = { together: 4 };
        return Promise.all([1, 2, 3, 4].map((seed) => isRight(net, 1, seed)));
      };
      for (let times = 1; times <= 3; times++) {
        await runs();
        memory.forget();
        await runs();
        assert.equal(net.sharedMemory[0].off === undefined, times < 3, `after ${times} times`);
      }
      assert.match(net.sharedMemory[0].off ?? '', /Unable to find shared memory region/);
      await isRight(net, 1);
    });

    it('several servers have regions of their own', async () => {
      const other = await start();
      const net = await open({ addresses: [server.address, other.address] });
      await isRight(net, 1);
      for (const one of [server, other]) one.fault = { together: 2 };
      await Promise.all([1, 2, 3, 4].map((seed) => isRight(net, 1, seed)));
      assert.deepEqual([server.memory!.writes, other.memory!.writes], [2, 2]);
    });

    it('a refused run is refused, wherever its tensors are', async () => {
      const net = await open();
      await isRight(net, 2);
      server.fault = { status: 400, reason: 'unexpected shape', times: 2 };
      await assert.rejects(net.run(feeds(2)), { code: 'EBADMODEL', message: /unexpected shape/ });
      await isRight(net, 2);
    });
  });
