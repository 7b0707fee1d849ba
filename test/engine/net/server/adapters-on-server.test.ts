import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Engine, type ServerOptions } from '../../../../engine';
import { checkServer } from '../../../../engine/model/server-check';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { controlCase, paintCase, PATHS } from '../../../lib/control-cases';
import { InferenceServer } from '../../../lib/inference-server';
import { REFERENCE_MODEL, relativeError, ROOT } from '../../../lib/reference';

const ADAPTERS = { depth: PATHS.depth, lines: PATHS.lines, style: PATHS.style, picture: PATHS.picture };
const ARGUMENTS = Object.entries(ADAPTERS).flatMap(([name, path]) => ['--adapter', `${name}=${path}`]);

describe('adapters of an engine whose UNet runs on a server', () => {
  let folder: string;
  let server: InferenceServer;
  let net: OnnxNet;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'served-'));
    await written('with', ...ARGUMENTS);
    await written('without');
    net = await OnnxNet.load(join(folder, 'with_unet/1/model.onnx'), { executionProvider: 'cpu' });
    const plain = await OnnxNet.load(join(folder, 'without_unet/1/model.onnx'), { executionProvider: 'cpu' });
    server = await InferenceServer.start({
      with_unet: { net, fingerprint: await fingerprint('with_unet'), maxRows: 2 },
      without_unet: { net: plain, fingerprint: await fingerprint('without_unet') },
    });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true });
  });

  async function written(prefix: string, ...args: string[]): Promise<string> {
    const main = join(ROOT, 'dist/cli/main.js');
    const fixed = ['--nets', 'unet', '--device', 'cpu', '--prefix', prefix, '--to', folder];
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'models', 'repository', REFERENCE_MODEL, ...fixed, ...args]);
    return stdout;
  }

  const config = (name: string): Promise<string> => readFile(join(folder, name, 'config.pbtxt'), 'utf8');
  const fingerprint = async (name: string): Promise<string> =>
    /key: "fingerprint" value: \{ string_value: "([^"]*)"/.exec(await config(name))?.[1] ?? '';

  const on = (prefix: string): ServerOptions => ({ addresses: [server.address], prefix });

  async function errorOf(name: string, prefix: string): Promise<number> {
    const reference = controlCase(name);
    const engine = await Engine.load({ model: REFERENCE_MODEL, adapters: ADAPTERS, server: on(prefix) });
    const outputs = await paintCase(engine, reference);
    await engine.close();
    assert.ok(outputs.length > 0);
    return Math.max(...outputs.map(({ id, latent }) => relativeError(latent, reference.x0(Number(id)))));
  }

  for (const name of ['plain', 'control-full', 'control-two-self', 'lora-style-half', 'ip-1'])
    it(`paint as PyTorch computes: ${name}`, async () => {
      assert.ok((await errorOf(name, 'with')) <= 1e-4);
    });

  it("are done without where only the model's own have no inputs there, and that is said", async () => {
    const starter = await OnnxNet.load(join(ROOT, 'models/starter/unet/model.onnx'), { executionProvider: 'cpu' });
    const older = await InferenceServer.start({ starter_unet: { net: starter, fingerprint: undefined } });
    try {
      const there = { addresses: [older.address] };
      const engine = await Engine.load({ model: 'starter', server: there });
      assert.deepEqual(engine.info.adapters, []);
      assert.match(engine.warnings.join('\n'), /no inputs for the model's own "shape"; "streamdiffusion models repository"/);
      await engine.close();
      const [unet] = await checkServer('starter', there);
      assert.equal(unet.error, undefined);
      assert.match(unet.warnings.join(), /"shape"/);
      // What was asked for is not left out.
      const adapters = { shape: join(ROOT, 'models/starter/controlnet/shape') };
      await assert.rejects(Engine.load({ model: 'starter', server: there, adapters }), {
        code: 'EBADMODEL',
        message: /--adapter NAME=PATH/,
      });
    } finally {
      await older.stop();
      await starter.close();
    }
  });

  it('have inputs in the repository, with a warm-up of rows that use none', async () => {
    const text = await config('with_unet');
    for (const input of ['control/down_00', 'control/mid', 'lora/style', 'ip/picture/tokens'])
      assert.ok(text.includes(`input [ { name: "${input}"`), input);
    assert.match(text, /inputs \{ key: "control\/down_00" value: \{ data_type: TYPE_FP32 dims: \[ 32, 1, 1 \] zero_data: true \} \}/);
    assert.doesNotMatch(await config('without_unet'), /control/);
    assert.match(await fingerprint('with_unet'), /-control-ip-adapter-[0-9a-f]{8}-lora-[0-9a-f]{8}/);
  });

  it('are warmed up with what the net can compute', async () => {
    const warm = [
      ...(await config('with_unet')).matchAll(/inputs \{ key: "([^"]+)" value: \{ data_type: TYPE_(\w+) dims: \[ ([\d, ]+) \]/g),
    ];
    const feeds = Object.fromEntries(
      net.inputs.map((info) => {
        const [, , , dims] = warm.find(([, name]) => name === info.name) as RegExpMatchArray;
        const sizes = info.shape.length === 1 ? [1] : [1, ...dims.split(',').map(Number)];
        const length = sizes.reduce((a, b) => a * b, 1);
        return [
          info.name,
          { type: info.type, dims: sizes, data: info.type === 'int64' ? new BigInt64Array(length) : new Float32Array(length) },
        ];
      }),
    );
    assert.deepEqual((await net.run(feeds)).out_sample.dims.slice(0, 2), [1, 4]);
  });

  it('are missed on a server whose net was written without them, and the error says what to do', async () => {
    await assert.rejects(
      Engine.load({ model: REFERENCE_MODEL, adapters: ADAPTERS, server: on('without') }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EBADMODEL');
        assert.match(error.message, /--adapter NAME=PATH/);
        return true;
      },
    );
    await assert.rejects(Engine.load({ model: REFERENCE_MODEL, server: on('with') }), {
      code: 'EBADMODEL',
      message: /wants an input "control\/down_00"/,
    });
  });

  it('are looked for by the check of a server', async () => {
    const [found] = await checkServer(REFERENCE_MODEL, on('with'), undefined, ADAPTERS);
    assert.equal(found.error, undefined);
    const [missed] = await checkServer(REFERENCE_MODEL, on('without'), undefined, ADAPTERS);
    assert.match(missed.error?.message ?? '', /--adapter/);
  });

  it('are not written into plans of TensorRT', async () => {
    await assert.rejects(written('rt', '--backend', 'tensorrt', ...ARGUMENTS), /--adapter goes with onnxruntime or python/);
  });
});
