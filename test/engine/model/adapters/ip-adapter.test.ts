import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Output, type RawImage, type StreamOptions } from '../../../../engine';
import { ipAdapters } from '../../../../engine/model/adapters/ip-adapter';
import type { Tensor } from '../../../../engine/net/net';
import { readOnnxGraph } from '../../../../engine/net/onnx/graph';
import { fuseAttention } from '../../../../engine/net/onnx/patches/attention';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { findFiles } from '../../../../engine/model/files';
import { readHeaders } from '../../../../engine/model/headers';
import { Reach } from '../../../../engine/model/reach';
import { controlCase, fingerprintWith, PATHS } from '../../../lib/control-cases';
import { REFERENCE_MODEL, relativeError } from '../../../lib/reference';
import { tensorFile, type Tensors, tensorsOf } from '../../../lib/safetensors';

const WEIGHTS = join(PATHS.picture, 'ip-adapter.safetensors');

describe('IP-Adapters', () => {
  let folder: string;
  let engine: Engine;
  let plain: Engine;
  const reference = controlCase('ip-half-full');
  const { case: settings, tokenIds } = reference;
  const texts = { tokenIds: tokenIds[settings.prompt], negativeTokenIds: tokenIds[settings.negative_prompt] };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ip-adapter-'));
    engine = await Engine.load({ model: REFERENCE_MODEL, adapters: { picture: PATHS.picture } });
    plain = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(async () => {
    await Promise.all([engine.close(), plain.close()]);
    await rm(folder, { recursive: true });
  });

  async function painted(
    on: Engine,
    images: Record<string, RawImage> | undefined,
    weights: Record<string, number> = {},
    options: Partial<StreamOptions> = {},
  ): Promise<Output> {
    const stream = await on.createStream({ ...reference.options, ...options, weights });
    await stream.setPrompt({ ...texts, ...(images && { images }) });
    await stream.process({ id: 0, pictures: reference.pictures(0) });
    const [first] = await stream.flush();
    await stream.close();
    return first;
  }

  const shown = (): Record<string, RawImage> => ({ picture: reference.prompt() as RawImage });

  it('are told by their kind, and want a picture with the prompt', () => {
    assert.deepEqual(engine.info.adapters, [{ name: 'picture', kind: 'ip-adapter', picture: 'prompt' }]);
  });

  it('of another training are told apart, so that no server computes with the weights of another', async () => {
    const weaker = Object.entries(await tensorsOf(WEIGHTS)).map(
      ([name, { shape, data }]) => [name, { shape, data: data.map((value) => 0.9 * value) }] as const,
    );
    const trained = join(folder, 'trained');
    await cp(PATHS.picture, trained, { recursive: true });
    await writeFile(join(trained, 'ip-adapter.safetensors'), tensorFile(Object.fromEntries(weaker)));
    assert.equal(await fingerprintWith({ picture: PATHS.picture }), await fingerprintWith({ picture: PATHS.picture }));
    assert.notEqual(await fingerprintWith({ picture: trained }), await fingerprintWith({ picture: PATHS.picture }));
  });

  it('change nothing, to the byte, at weight 0 or without a picture', async () => {
    const expected = await painted(plain, undefined);
    assert.deepEqual((await painted(engine, shown(), { picture: 0 })).latent, expected.latent);
    assert.deepEqual((await painted(engine, undefined)).latent, expected.latent);
  });

  it('show a picture of any size, and another one otherwise', async () => {
    const flat = (level: number): RawImage => ({ data: new Uint8Array(3 * 90 * 50).fill(level), width: 90, height: 50, channels: 3 });
    const [dark, bright] = [await painted(engine, { picture: flat(20) }), await painted(engine, { picture: flat(230) })];
    assert.ok(relativeError(dark.latent, bright.latent) > 1e-3);
  });

  it('work where sizes are fixed', async () => {
    const own = await Engine.load({ model: REFERENCE_MODEL, adapters: { picture: PATHS.picture }, fixedShapes: true });
    const error = relativeError((await painted(own, shown(), { picture: 0.5 })).latent, reference.x0(0));
    assert.ok(error <= 1e-4, `${error}`);
    await own.close();
  });

  it('give the same where attention is many operators, as for providers without one for it', async () => {
    const nets = await Promise.all(
      [true, false].map(async (fuses) => {
        const graph = await readOnnxGraph(join(REFERENCE_MODEL, 'unet', 'model.onnx'));
        const [adapter] = await adapterAlone();
        const [patch] = ipAdapters.patches?.('unet', [adapter], fuses ? 'cpu' : 'dml') ?? [];
        const changed = patch.apply((fuses && fuseAttention(graph)) || graph);
        assert.ok(changed);
        return OnnxNet.load(changed, { executionProvider: 'cpu' });
      }),
    );
    const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, k) => Math.sin(1.7 * k * k));
    const feeds: Record<string, Tensor> = {
      sample: { type: 'float32', data: noise(512), dims: [2, 4, 8, 8] },
      timestep: { type: 'int64', data: BigInt64Array.of(500n, 20n), dims: [2] },
      encoder_hidden_states: { type: 'float32', data: noise(2 * 77 * 32), dims: [2, 77, 32] },
      'ip/x/tokens': { type: 'float32', data: noise(2 * 4 * 32), dims: [2, 4, 32] },
      'ip/x': { type: 'float32', data: Float32Array.of(0.7, -0.2), dims: [2] },
    };
    const [fused, whole] = await Promise.all(nets.map(async (net) => (await net.run(feeds)).out_sample.data as Float32Array));
    assert.ok(relativeError(fused, whole) < 1e-4);
    await Promise.all(nets.map((net) => net.close()));
  });

  it('refuse names that are none of theirs, and what is not a picture', async () => {
    const stream = await engine.createStream(reference.options);
    await assert.rejects(stream.setPrompt({ ...texts, images: { other: reference.prompt() as RawImage } }), {
      code: 'EBADPARAM',
      message: /other.*there are picture/,
    });
    await assert.rejects(stream.setPrompt({ ...texts, images: { picture: { width: 1 } as RawImage } }), { code: 'EBADFRAME' });
    await stream.setPrompt(texts);
    await stream.close();
  });

  it('that cannot be used say why', async () => {
    const tensors = await tensorsOf(WEIGHTS);
    const without = (pattern: RegExp): Tensors => Object.fromEntries(Object.entries(tensors).filter(([name]) => !pattern.test(name)));
    const square = { shape: [64, 48], data: new Float32Array(64 * 48) };
    const refused = async (changed: Tensors, says: RegExp, others: string[] = []): Promise<void> => {
      const path = await mkdtemp(join(folder, 'changed-'));
      await mkdir(join(path, 'image_encoder'));
      await cp(join(PATHS.picture, 'image_encoder'), join(path, 'image_encoder'), { recursive: true });
      for (const file of ['ip.safetensors', ...others]) await writeFile(join(path, file), tensorFile(changed));
      await assert.rejects(Engine.load({ model: REFERENCE_MODEL, adapters: { mine: path } }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EBADMODEL', error.message);
        assert.match(error.message, says);
        assert.match(error.message, /mine/);
        return true;
      });
    };
    await refused(without(/ip_adapter\.7/), /weights for 3 layers, this UNet's graph shows 4 cross-attentions/);
    await refused(without(/ip_adapter\.3\.to_v/), /ip_adapter\.3\.to_v_ip\.weight" is missing/);
    await refused({ ...tensors, 'ip_adapter.1.to_k_ip.weight': square }, /\[64, 48\]/);
    await refused(without(/image_proj\.norm/), /projection is none of the plain IP-Adapter/);
    await refused(tensors, /2 \.safetensors files \(ip-plus\.safetensors, ip\.safetensors\); leave only/, ['ip-plus.safetensors']);
    await assert.rejects(Engine.load({ model: REFERENCE_MODEL, adapters: { mine: WEIGHTS } }), /without its image encoder/);
  });
});

/** The reference's, under the name x. */
async function adapterAlone() {
  const files = await findFiles(REFERENCE_MODEL);
  const reach = await Reach.of(PATHS.picture);
  const adapter = await ipAdapters.open({
    name: 'x',
    path: PATHS.picture,
    isFolder: true,
    reach,
    files,
    headers: await readHeaders(files),
  });
  assert.ok(adapter);
  return [adapter];
}
