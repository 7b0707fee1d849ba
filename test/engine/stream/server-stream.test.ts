import assert from 'node:assert/strict';
import { Engine, type Output, type ServerOptions } from '../../../engine';
import { acquireHost, stopAllHosts } from '../../../engine/host/client';
import type { PromptSpec } from '../../../engine/host/protocol/messages';
import { findFiles } from '../../../engine/model/files';
import { fingerprintOf } from '../../../engine/model/fingerprint';
import { readHeaders } from '../../../engine/model/headers';
import { Model } from '../../../engine/model/model';
import { OnnxNet } from '../../../engine/net/ort/onnx-net';
import { InferenceServer, type Served } from '../../lib/inference-server';
import { jpegs } from '../../lib/pictures';
import { recording, REFERENCE_MODEL, relativeError } from '../../lib/reference';
import { PATIENCE } from '../../lib/until';

const reference = recording('img2img-4step-self');
const options = { mode: 'img2img' as const, width: 64, height: 64, tIndexList: [20, 40] };
const frames = Array.from({ length: 5 }, (_, k) => reference.frame(k));
/** The model has no tokenizer. */
const conditioning = { tokenIds: reference.token_ids[''] } as unknown as PromptSpec;
const ALL: NonNullable<ServerOptions['nets']> = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'];

async function paint(server?: ServerOptions): Promise<Output[]> {
  const engine = await Engine.load({ model: REFERENCE_MODEL, server });
  const stream = await engine.createStream(options);
  await stream.setPrompt({ tokenIds: reference.token_ids['a red sun over the sea'] });
  const outputs: Output[] = [];
  for (const [id, image] of frames.entries()) outputs.push(...(await stream.process({ id, image })));
  outputs.push(...(await stream.flush()));
  await engine.close();
  return outputs;
}

describe('streams whose nets run on a server', () => {
  const models: Record<string, Served> = {};
  let local: Output[];
  let server: InferenceServer;

  before(async () => {
    const files = await findFiles(REFERENCE_MODEL);
    const headers = await readHeaders(files);
    for (const [name, { path }] of Object.entries(files.nets)) {
      const net = await OnnxNet.load(headers[name as keyof typeof headers]?.graph ?? path, { executionProvider: 'cpu' }, name);
      models[`model_${name}`] = { net, fingerprint: await fingerprintOf(path) };
    }
    local = await paint();
  });
  beforeEach(async () => {
    server = await InferenceServer.start(models);
  });
  afterEach(async () => {
    await stopAllHosts();
    await server.stop().catch(() => undefined);
  });
  after(() => Promise.all(Object.values(models).map(({ net }) => net.close())));

  for (const nets of [undefined, ALL]) {
    it(`paint what they paint here: ${nets ? 'all nets' : 'the UNet'} there`, async () => {
      const outputs = await paint({ addresses: [server.address], nets });
      assert.deepEqual(
        outputs.map(({ id }) => id),
        local.map(({ id }) => id),
      );
      outputs.forEach(({ latent, image }, k) => {
        // Here attention is one operator, there it is as it was exported: the last bits differ.
        assert.ok(relativeError(latent, local[k].latent) < 1e-5);
        assert.ok(image.data.every((byte, i) => Math.abs(byte - local[k].image.data[i]) <= 1));
      });
    });
  }

  it('say where they run', async () => {
    const some = await Engine.load({ model: REFERENCE_MODEL, server: { addresses: [server.address] } });
    assert.equal(some.info.executionProvider, 'cpu, unet on a server');
    await some.close();
    const all = await Engine.load({ model: REFERENCE_MODEL, server: { addresses: [server.address], nets: ALL } });
    assert.equal(all.info.executionProvider, 'server');
    await all.close();
  });

  it('run beside those that are here, so that as many more frames are under way', async () => {
    const concurrencyWith = async (nets?: ServerOptions['nets']): Promise<number> => {
      const model = await Model.load({ model: REFERENCE_MODEL, ...(nets && { server: { addresses: [server.address], nets } }) });
      await model.close();
      return model.concurrency;
    };
    assert.deepEqual(
      [await concurrencyWith(), await concurrencyWith(['unet']), await concurrencyWith(['text_encoder']), await concurrencyWith(ALL)],
      [1, 2, 1, 2],
    );
  });

  it('find the nets under another name', async () => {
    server.models.set('hall_unet', models.model_unet);
    server.models.delete('model_unet');
    const code = await Engine.load({ model: REFERENCE_MODEL, server: { addresses: [server.address] } }).catch(
      (error: { code: string }) => error.code,
    );
    assert.equal(code, 'ENETWORK');
    await (await Engine.load({ model: REFERENCE_MODEL, server: { addresses: [server.address], prefix: 'hall' } })).close();
  });

  it('refuse nets that there are none of', async () => {
    const load = (nets: string[]): Promise<Engine> =>
      Engine.load({ model: REFERENCE_MODEL, server: { addresses: [server.address], nets: nets as typeof ALL } });
    await assert.rejects(load(['vae']), { code: 'EBADPARAM', message: /got "vae"/ });
    await assert.rejects(load([]), { code: 'EBADPARAM', message: /got none/ });
  });

  it('in a host: frames end with an error while the server is away, and go on when it is back, at a size that is new as well', async () => {
    const host = acquireHost({ model: REFERENCE_MODEL, server: { addresses: [server.address], timeoutMs: 2000 } });
    const stream = host.openStream({ ...options, format: 'raw' }, conditioning);
    const [picture] = await jpegs(1);
    const paintOne = () => stream.submit({ picture });
    const before = await paintOne();
    await server.stop();
    await assert.rejects(paintOne(), { code: 'ENETWORK', message: /cannot be reached/ });
    await assert.rejects(stream.update({ width: 128, height: 128 }), { code: 'ENETWORK' });
    // Opened while the server is away: it waits for it.
    const late = host.openStream({ ...options, width: 128 }, conditioning);
    await assert.rejects(late.submit({ picture }), { code: 'ENETWORK' });
    server = await InferenceServer.start(models, { port: server.port });
    assert.deepEqual({ ...(await paintOne()), latencyMs: 0 }, { ...before, latencyMs: 0 });
    await stream.update({ width: 128, height: 128 });
    const large = await paintOne();
    assert.ok(large.outcome === 'finished' && large.width === 128);
    const deadline = Date.now() + PATIENCE;
    for (let outcome = ''; outcome !== 'finished'; await new Promise((resolve) => setTimeout(resolve, 100))) {
      assert.ok(Date.now() < deadline, 'the late stream never opened');
      outcome = await late.submit({ picture }).then(
        (result) => result.outcome,
        () => 'failed',
      );
    }
  });

  it('in a host: a server that is not there yet is waited for', async () => {
    const { port } = server;
    await server.stop();
    const host = acquireHost({ model: REFERENCE_MODEL, server: { addresses: [`http://127.0.0.1:${port}`] } });
    const missed = new Promise<Error>((resolve) => host.on('state', (state) => state.phase === 'restarting' && resolve(state.error)));
    const stream = host.openStream(options, conditioning);
    const [picture] = await jpegs(1);
    const painted = stream.submit({ picture });
    assert.match((await missed).message, /cannot be reached/);
    server = await InferenceServer.start(models, { port });
    assert.equal((await painted).outcome, 'finished');
  });

  it('in a host: a server that stays away is not waited for by frames, and found when it comes', async () => {
    const { port } = server;
    await server.stop();
    const host = acquireHost({
      model: REFERENCE_MODEL,
      server: { addresses: [`http://127.0.0.1:${port}`] },
      restarts: { first: 10, last: 100 },
    });
    const stream = host.openStream(options, conditioning);
    const [picture] = await jpegs(1);
    await assert.rejects(stream.submit({ picture }), { code: 'ENETWORK', message: /cannot be reached/ });
    server = await InferenceServer.start(models, { port });
    await new Promise<void>((resolve) => host.on('state', ({ phase }) => phase === 'ready' && resolve()));
    assert.equal((await stream.submit({ picture })).outcome, 'finished');
  });
});
