import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type RawImage } from '../../../../engine';
import { Adapters } from '../../../../engine/model/adapters/adapters';
import type { Nets } from '../../../../engine/model/adapters/adapter';
import { findFiles } from '../../../../engine/model/files';
import { readHeaders } from '../../../../engine/model/headers';
import type { NetRole } from '../../../../engine/model/roles';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import type { PicturePrompt } from '../../../../engine/prompt/prompt-embeds';
import { controlCase } from '../../../lib/control-cases';
import { REFERENCE_MODEL, relativeError, ROOT } from '../../../lib/reference';
import { tensorFile, type Tensors, tensorsOf } from '../../../lib/safetensors';

const PLUS = join(ROOT, 'test/fixtures/ip-adapter-plus');
const WEIGHTS = 'ip-adapter-plus.safetensors';

interface Expected {
  picture: number[];
  size: number;
  count: number;
  width: number;
  positive: number[];
  negative: number[];
}

describe('IP-Adapters plus', () => {
  let folder: string;
  let expected: Expected;
  let picture: RawImage;
  let tensors: Tensors;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ip-adapter-plus-'));
    expected = JSON.parse(await readFile(join(PLUS, 'expected.json'), 'utf8')) as Expected;
    picture = { data: Uint8Array.from(expected.picture), width: expected.size, height: expected.size, channels: 3 };
    tensors = await tensorsOf(join(PLUS, WEIGHTS));
  });
  after(() => rm(folder, { recursive: true }));

  /** A copy of the adapter with other weights, or another image encoder. */
  async function changed({ weights, encoder }: { weights?: Buffer; encoder?: Uint8Array }): Promise<string> {
    const path = await mkdtemp(join(folder, 'changed-'));
    await cp(join(PLUS, 'image_encoder'), join(path, 'image_encoder'), { recursive: true });
    await writeFile(join(path, WEIGHTS), weights ?? (await readFile(join(PLUS, WEIGHTS))));
    if (encoder) await writeFile(join(path, 'image_encoder/model.onnx'), encoder);
    return path;
  }

  /** What an adapter makes of the picture. */
  async function tokensOf(path: string): Promise<PicturePrompt> {
    const files = await findFiles(REFERENCE_MODEL);
    const adapters = await Adapters.open({ look: path }, { files, headers: await readHeaders(files) });
    const { headers } = await adapters.nets();
    const nets: Nets = {};
    for (const [role, header] of Object.entries(headers)) {
      assert.ok(header.graph);
      nets[role as NetRole] = await OnnxNet.load(header.graph, { executionProvider: 'cpu' });
    }
    const [adapter] = adapters.all;
    const prompt = await adapter.encodePrompt?.(picture, nets);
    await Promise.all(Object.values(nets).map((net) => net.close()));
    assert.ok(prompt);
    return prompt;
  }

  const off = (values: Float32Array, wanted: number[]): number => relativeError(values, Float32Array.from(wanted));

  it('make of a picture, and of none, the tokens that PyTorch makes of it', async () => {
    const { positive, negative } = await tokensOf(PLUS);
    assert.deepEqual([positive.count, positive.width], [expected.count, expected.width]);
    assert.ok(off(positive.tokens, expected.positive) < 1e-4, `${off(positive.tokens, expected.positive)}`);
    assert.ok(off(negative.tokens, expected.negative) < 1e-4, `${off(negative.tokens, expected.negative)}`);
  });

  it('do so with an encoder that shows all its hidden states and has no names, and with weights in half precision', async () => {
    const nameless = await withoutNames(join(PLUS, 'with-hidden-states.onnx'));
    const plain = await tokensOf(await changed({ encoder: nameless }));
    assert.ok(off(plain.positive.tokens, expected.positive) < 1e-4);
    const half = await tokensOf(await changed({ weights: tensorFile(tensors, 'F16') }));
    assert.ok(off(half.positive.tokens, expected.positive) < 2e-2);
  });

  it('steer what is painted, each row as strongly as asked for, and nothing without a picture', async () => {
    const reference = controlCase('ip-half-full');
    const { case: settings, tokenIds } = reference;
    const texts = { tokenIds: tokenIds[settings.prompt], negativeTokenIds: tokenIds[settings.negative_prompt] };
    const [engine, bare] = await Promise.all([
      Engine.load({ model: REFERENCE_MODEL, adapters: { look: PLUS } }),
      Engine.load({ model: REFERENCE_MODEL }),
    ]);
    assert.deepEqual(engine.info.adapters, [{ name: 'look', kind: 'ip-adapter', picture: 'prompt' }]);
    const paint = async (on: Engine, look: number | undefined): Promise<Float32Array> => {
      const stream = await on.createStream({ ...reference.options, ...(look !== undefined && { weights: { look } }) });
      await stream.setPrompt({ ...texts, ...(look !== undefined && { images: { look: picture } }) });
      await stream.process({ id: 0, pictures: reference.pictures(0) });
      const [{ latent }] = await stream.flush();
      await stream.close();
      return latent;
    };
    const plain = await paint(bare, undefined);
    assert.deepEqual(await paint(engine, undefined), plain);
    assert.deepEqual(await paint(engine, 0), plain);
    const [half, whole] = [await paint(engine, 0.5), await paint(engine, 1)];
    assert.ok(relativeError(half, plain) > 1e-3 && relativeError(whole, half) > 1e-3);
    await Promise.all([engine.close(), bare.close()]);
  });

  it('that cannot be used say why', async () => {
    const refused = async (path: string, says: RegExp): Promise<void> => {
      await assert.rejects(Engine.load({ model: REFERENCE_MODEL, adapters: { mine: path } }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EBADMODEL', error.message);
        assert.match(error.message, says);
        assert.match(error.message, /mine/);
        return true;
      });
    };
    const without = (pattern: RegExp): Buffer =>
      tensorFile(Object.fromEntries(Object.entries(tensors).filter(([name]) => !pattern.test(name))));
    const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    await refused(await changed({ weights: without(/layers\.1\.1\.3/) }), /"image_proj\.layers\.1\.1\.3\.weight" is missing/);
    await refused(await changed({ weights: without(/proj_out\.bias/) }), /"image_proj\.proj_out\.bias" is missing/);
    const narrow = { 'image_proj.layers.0.0.to_kv.weight': zeros(64, 32) };
    await refused(
      await changed({ weights: tensorFile({ ...tensors, ...narrow }) }),
      /to_kv\.weight" is \[64, 32\] in F32, where \[128, 32\]/,
    );
    const wide = { 'image_proj.proj_in.weight': zeros(32, 48) };
    await refused(
      await changed({ weights: tensorFile({ ...tensors, ...wide }) }),
      /gives 32 numbers for each patch, its projection takes 48/,
    );
    const lost = await withoutNames(join(PLUS, 'image_encoder/model.onnx'));
    await refused(await changed({ encoder: lost }), /does not show its layers.*output_hidden_states/);
    const face = { 'image_proj.proj.0.weight': zeros(32, 32), 'image_proj.norm.weight': zeros(32) };
    await refused(
      await changed({
        weights: tensorFile({ ...Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith('image_proj'))), ...face }),
      }),
      /none of the plain IP-Adapter or of plus/,
    );
  });
});

/** The bytes of a net that does not say which of its operators begin a layer. */
async function withoutNames(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  return Buffer.from(bytes.toString('latin1').replaceAll('layer_norm1', 'layer_normA'), 'latin1');
}
