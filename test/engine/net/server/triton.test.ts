import assert from 'node:assert/strict';
import { strain } from '../../../lib/strain';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOptions } from '../../../../cli/models/repository/options';
import { writeRepository } from '../../../../cli/models/repository/write';
import { Engine, type Output, type ServerOptions } from '../../../../engine';
import { acquireHost, stopAllHosts } from '../../../../engine/host/client';
import { modelFolder } from '../../../../engine/model/files';
import { GrpcTransport } from '../../../../engine/net/server/grpc-transport';
import { MemoryRegions } from '../../../../engine/net/server/memory-regions';
import { readAccess } from '../../../../engine/net/server/options';
import { inHalf, RealServer, reasonWithout } from '../../../lib/real-servers';
import { movingScene } from '../../../../bench/scenes';

const OPTIONS = { mode: 'img2img' as const, width: 256, height: 256, tIndexList: [25, 37] };
const ALL: NonNullable<ServerOptions['nets']> = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'];
const FRAMES = 4;

async function paint(engine: Engine, seed = 2): Promise<Output[]> {
  const stream = await engine.createStream({ ...OPTIONS, seed });
  await stream.setPrompt({ prompt: 'sunset over the sea' });
  const outputs: Output[] = [];
  for (const [id, image] of movingScene(256, FRAMES).entries()) outputs.push(...(await stream.process({ id, image })));
  outputs.push(...(await stream.flush()));
  await stream.close();
  return outputs;
}

async function paintOnce(model: string, server?: ServerOptions, int8 = false): Promise<Output[]> {
  const engine = await Engine.load({ model, server, int8 });
  try {
    return await paint(engine);
  } finally {
    await engine.close();
  }
}

/** Largest difference of any value of any latent. */
function difference(outputs: Output[], expected: Output[]): number {
  assert.deepEqual(
    outputs.map(({ id }) => id),
    expected.map(({ id }) => id),
  );
  return Math.max(...outputs.flatMap(({ latent }, k) => Array.from(latent, (value, i) => Math.abs(value - expected[k].latent[i]))));
}

describe('a real Triton with a repository that "models repository" wrote', function () {
  this.timeout(180_000);
  let folder: string;
  let repository: string;
  let server: RealServer;
  /** Model folders by the type of their UNet. */
  let models: Record<'float32' | 'float16', string>;
  const local: Partial<Record<string, Output[]>> = {};

  before(async function () {
    const reason = reasonWithout('triton');
    if (reason) {
      console.log(`    ${reason}`);
      return this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'triton-'));
    repository = join(folder, 'repository');
    const half = join(folder, 'half');
    await cp(modelFolder('starter'), half, { recursive: true });
    await inHalf(join(modelFolder('starter'), 'unet/model.onnx'), join(half, 'unet/model.onnx'));
    models = { float32: 'starter', float16: half };
    for (const [type, model] of Object.entries(models)) {
      const nets = type === 'float32' ? [] : ['--nets', 'unet'];
      // A run waits a little for others, so that it does not hang on the load of this machine whether some come together.
      const wait = ['--queue-delay', '10000'];
      await writeRepository(
        readOptions([model, '--to', repository, '--backend', 'python', '--device', 'cpu', ...wait, ...nets]),
        () => undefined,
      );
      local[type] = await paintOnce(model);
    }
    await writeRepository(
      readOptions(['starter', '--to', repository, '--prefix', 'int8', '--backend', 'python', '--device', 'cpu', '--int8']),
      () => undefined,
    );
    server = await RealServer.triton(repository);
  });
  after(async () => {
    await server?.kill();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const addresses = (protocol: 'http' | 'grpc'): string[] => [server[protocol]];

  for (const protocol of ['http', 'grpc'] as const) {
    for (const type of ['float32', 'float16'] as const) {
      it(`paints what is painted here: UNet in ${type} over ${protocol}`, async () => {
        const outputs = await paintOnce(models[type], { addresses: addresses(protocol) });
        assert.ok(difference(outputs, local[type]!) <= 1e-4, String(difference(outputs, local[type]!)));
      });
    }

    for (const sharedMemory of [true, false]) {
      it(`paints what is painted here: all nets over ${protocol}, ${sharedMemory ? 'tensors through shared memory' : 'tensors sent'}`, async () => {
        const engine = await Engine.load({
          model: 'starter',
          int8: false,
          server: { addresses: addresses(protocol), nets: ALL, sharedMemory },
        });
        for (let k = 0; k < 2; k++) {
          const outputs = await paint(engine);
          assert.ok(difference(outputs, local.float32!) <= 1e-4, String(difference(outputs, local.float32!)));
        }
        assert.equal((await regions()).length >= ALL.length, sharedMemory);
        await engine.close();
        assert.deepEqual(await regions(), [], 'nothing is left on the server');
      });
    }
  }

  it('paints in int8 what is painted here in int8, which is not what float32 paints', async () => {
    const rounded = await paintOnce('starter', undefined, true);
    for (const protocol of ['http', 'grpc'] as const) {
      const outputs = await paintOnce('starter', { addresses: addresses(protocol), nets: ALL, prefix: 'int8' }, true);
      assert.ok(difference(outputs, rounded) <= 1e-4, String(difference(outputs, rounded)));
      assert.ok(difference(outputs, local.float32!) > 1e-3);
    }
  });

  it('computes frames of two flows together, by its own statistics', async () => {
    const before = await batches('starter_unet');
    const engines = await Promise.all(
      ['http', 'grpc'].map((protocol) =>
        Engine.load({ model: 'starter', int8: false, server: { addresses: addresses(protocol as 'http') } }),
      ),
    );
    const [first, second] = await Promise.all(engines.map((engine) => paintMany(engine, 6)));
    await Promise.all(engines.map((engine) => engine.close()));
    for (const outputs of [first, second]) {
      const largest = difference(outputs.slice(0, FRAMES), local.float32!);
      assert.ok(largest <= 1e-4, `one is changed by the other, by ${largest}`);
    }
    const largest = [...(await batches('starter_unet'))].filter(([rows, count]) => count > (before.get(rows) ?? 0)).map(([rows]) => rows);
    assert.ok(Math.max(...largest) > OPTIONS.tIndexList.length, `rows a run: ${largest.join(', ')}`);
  });

  it('refuses a model of the same shape with other weights', async () => {
    const load = (): Promise<Engine> => Engine.load({ model: models.float16, server: { addresses: addresses('grpc'), prefix: 'starter' } });
    await assert.rejects(load(), { code: 'EBADMODEL', message: /weights are others|another net/ });
    await assert.rejects(Engine.load({ model: 'starter', int8: false, server: { addresses: addresses('http'), prefix: 'none' } }), {
      code: 'ENETWORK',
      message: /unknown model/i,
    });
  });

  it('what an engine that was killed has left in its memory goes with the next one', async () => {
    const host = acquireHost({ model: 'starter', int8: false, server: { addresses: addresses('http') } });
    await new Promise<void>((ready) => host.on('state', ({ phase }) => phase === 'ready' && ready()));
    await stopAllHosts();
    assert.equal((await regions()).length, 1);
    const {
      addresses: [address],
      access,
    } = readAccess({ addresses: addresses('grpc') });
    const transport = new GrpcTransport(address, access, () => undefined);
    const next = new MemoryRegions(transport, 20);
    await next.prepare();
    assert.equal((await regions()).length, 2);
    for (const deadline = Date.now() + 30_000; (await regions()).length > 1; ) assert.ok(Date.now() < deadline);
    await next.close();
    transport.close();
    assert.deepEqual(await regions(), []);
  });

  it('slow: its frames end at their deadline, and those after it are right', async () => {
    for (const protocol of ['http', 'grpc'] as const) {
      const engine = await Engine.load({ model: 'starter', int8: false, server: { addresses: addresses(protocol), timeoutMs: 1000 } });
      const before = await paint(engine);
      server.pause();
      const pending = paint(engine);
      const began = performance.now();
      await assert.rejects(pending, { code: 'ETIMEOUT' });
      assert.ok(performance.now() - began < 5000 * strain());
      server.resume();
      assert.ok(difference(await paintAgain(engine), before) <= 1e-4);
      await engine.close();
    }
  });

  it('killed and started again: says so, then goes on with the right pictures', async () => {
    for (const protocol of ['http', 'grpc'] as const) {
      const engine = await Engine.load({ model: 'starter', int8: false, server: { addresses: addresses(protocol), timeoutMs: 5000 } });
      const before = await paint(engine);
      await server.kill();
      await assert.rejects(paint(engine), { code: 'ENETWORK' });
      server = await RealServer.triton(repository, server);
      assert.ok(difference(await paintAgain(engine), before) <= 1e-4);
      await engine.close();
    }
  });

  it('refuses who does not bring the header that it wants', async () => {
    await server.kill();
    server = await RealServer.triton(repository, server, ['--http-restricted-api=inference:authorization=Bearer s3cret']);
    await assert.rejects(paintOnce('starter', { addresses: addresses('http') }), { code: 'EDENIED' });
    const outputs = await paintOnce('starter', { addresses: addresses('http'), token: 's3cret' });
    assert.ok(difference(outputs, local.float32!) <= 1e-4);
  });

  /** Of shared memory that the server has mapped. */
  async function regions(): Promise<unknown[]> {
    return (await (await fetch(`${server.http}/v2/systemsharedmemory/status`)).json()) as unknown[];
  }

  /** How many runs of how many rows. */
  async function batches(model: string): Promise<Map<number, number>> {
    const { model_stats: stats } = (await (await fetch(`${server.http}/v2/models/${model}/stats`)).json()) as {
      model_stats: { batch_stats: { batch_size: number; compute_infer: { count: number } }[] }[];
    };
    return new Map(stats.flatMap(({ batch_stats: all }) => all.map((one) => [one.batch_size, one.compute_infer.count])));
  }

  async function paintMany(engine: Engine, times: number): Promise<Output[]> {
    const outputs: Output[] = [];
    for (let k = 0; k < times; k++) outputs.push(...(await paint(engine)));
    return outputs;
  }

  /** Once the server answers again. */
  async function paintAgain(engine: Engine): Promise<Output[]> {
    for (const deadline = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
      try {
        return await paint(engine);
      } catch (thrown) {
        if (Date.now() > deadline) throw thrown;
      }
    }
  }
});
