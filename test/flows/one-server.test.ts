import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelFolder } from '../../engine/model/files';
import { fingerprintOf } from '../../engine/model/fingerprint';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import { InferenceServer } from '../lib/inference-server';
import { ROOT } from '../lib/reference';
import { freePort, Server } from '../lib/server';
import { brightness, newestPicture } from '../lib/sink-picture';
import { PATIENCE, until } from '../lib/until';
import { DAY_ABOVE_NIGHT } from '../lib/starter';

interface Health {
  engines: { streams: unknown[] }[];
}

describe('the example with two denoisers on one server', function () {
  this.timeout(4 * PATIENCE);
  const path = join(modelFolder('starter'), 'unet/model.onnx');
  let folder: string;
  let net: OnnxNet;
  let inference: InferenceServer;
  let server: Server;
  const served = async () => ({ starter_unet: { net, fingerprint: await fingerprintOf(path) } });

  before(async () => {
    net = await OnnxNet.load(path, { executionProvider: 'cpu', intraOpNumThreads: 1 });
    // Nobody else is to get its port while it is away.
    inference = await InferenceServer.start(await served(), { port: await freePort() });
    folder = await mkdtemp(join(tmpdir(), 'one-server-'));
    const example = await readFile(join(ROOT, 'examples/11 - Two denoisers one server.json'), 'utf8');
    assert.ok(example.includes('http://127.0.0.1:8000'));
    await writeFile(join(folder, 'flows.json'), example.replaceAll('http://127.0.0.1:8000', inference.address));
    server = await Server.start(['--example', 'Two denoisers one server', '--user-dir', folder]);
    await server.ready();
  });
  after(async () => {
    await server?.stop();
    await inference?.stop();
    await net?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const brightnessOf = async (sink: string): Promise<number> => brightness(await newestPicture(server, sink));

  it('paints day on the left and night on the right, with frames of both in one run there', async () => {
    const [left, right] = [await brightnessOf('left'), await brightnessOf('right')];
    assert.ok(left > right + 30, `left ${left}, right ${right}`);
    const { engines } = (await (await fetch(`${server.address}/streamdiffusion/health`)).json()) as Health;
    assert.deepEqual(
      engines.map(({ streams }) => streams.length),
      [2],
    );
    // Two steps of each denoiser.
    await until(
      () => inference.runs.includes(4),
      PATIENCE,
      () => `rows a run: ${[...new Set(inference.runs)].join(', ')}`,
    );
    assert.doesNotMatch(server.output, /\[error\]/);
  });

  it('says that the server is away, and goes on when it is back', async () => {
    const { port } = inference;
    await inference.stop();
    await until(
      () => /cannot be reached/.test(server.output),
      PATIENCE,
      () => server.output,
    );
    inference = await InferenceServer.start(await served(), { port });
    await until(
      () => inference.runs.length > 10,
      PATIENCE,
      () => server.output,
    );
    assert.ok((await brightnessOf('left')) > (await brightnessOf('right')) + DAY_ABOVE_NIGHT);
  });
});
