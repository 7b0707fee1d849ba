import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Output, type StreamOptions } from '../../../../engine';
import { Adapters } from '../../../../engine/model/adapters/adapters';
import { findFiles } from '../../../../engine/model/files';
import { readHeaders } from '../../../../engine/model/headers';
import type { Tensor } from '../../../../engine/net/net';
import { readOnnxGraph } from '../../../../engine/net/onnx/graph';
import { readNode } from '../../../../engine/net/onnx/node';
import { applyPatches } from '../../../../engine/net/onnx/patches/patch';
import { fieldsOf, message } from '../../../../engine/net/onnx/protobuf';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { controlCase, fingerprintWith, PATHS } from '../../../lib/control-cases';
import { REFERENCE_MODEL, relativeError } from '../../../lib/reference';
import { refused } from '../../../lib/refused-adapter';
import { renamed, rewritten } from '../../../lib/rewritten';
import { tensorFile, type Tensors, tensorsOf } from '../../../lib/safetensors';

describe('LoRAs', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lora-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** What frame 0 becomes, and how far it is from what PyTorch computed. */
  async function painted(
    name: string,
    adapters: Record<string, string>,
    options: Partial<StreamOptions> = {},
    model = REFERENCE_MODEL,
  ): Promise<{ latent: Float32Array; error: number }> {
    const reference = controlCase(name);
    const { case: settings, tokenIds } = reference;
    const engine = await Engine.load({ model, adapters });
    const stream = await engine.createStream({ ...reference.options, weights: settings.loras, ...options });
    await stream.setPrompt({ tokenIds: tokenIds[settings.prompt], negativeTokenIds: tokenIds[settings.negative_prompt] });
    const outputs: Output[] = [];
    for (let frame = 0; frame < 2; frame++) outputs.push(...(await stream.process({ id: frame, pictures: reference.pictures(frame) })));
    await engine.close();
    return { latent: outputs[0].latent, error: relativeError(outputs[0].latent, reference.x0(0)) };
  }

  async function written(
    name: string,
    tensors: Tensors,
    type: 'F32' | 'F16' | 'BF16' = 'F32',
    metadata?: Record<string, string>,
  ): Promise<string> {
    const path = join(folder, `${name}.safetensors`);
    await writeFile(path, tensorFile(tensors, type, metadata));
    return path;
  }

  const renamedKeys = (tensors: Tensors, rename: (key: string) => string): Tensors =>
    Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [rename(key), tensor]));

  const kohya = (key: string): string => {
    const [, path, matrix] = /^unet\.(.*)\.lora_([AB])\.weight$/.exec(key) ?? [];
    return `lora_unet_${path.replaceAll('.', '_')}.lora_${matrix === 'A' ? 'down' : 'up'}.weight`;
  };
  const styles: Record<string, (key: string) => string> = {
    kohya,
    'kohya with the names of the original': (key) =>
      kohya(key)
        // Of a UNet with one layer a block these are other numbers than of SDXL, so only the middle can be tried here.
        .replace('mid_block_attentions_0', 'middle_block_1'),
    'PEFT alone': (key) => key.replace('unet.', 'base_model.model.').replace('.weight', '.default.weight'),
    'diffusers, older': (key) => key.replace('lora_A', 'lora.down').replace('lora_B', 'lora.up'),
    'diffusers, oldest': (key) =>
      key
        .replace('.to_out.0.', '.to_out.')
        .replace(/\.(to_\w+)\.lora_A/, '.processor.$1_lora.down')
        .replace(/\.(to_\w+)\.lora_B/, '.processor.$1_lora.up'),
  };
  for (const [style, rename] of Object.entries(styles)) {
    it(`under the names of ${style}`, async () => {
      const path = await written('renamed', renamedKeys(await tensorsOf(PATHS.style), rename));
      assert.ok((await painted('lora-style-1', { style: path })).error <= 1e-4);
    });
  }

  it('in half precision and bfloat16 are near those in float32', async () => {
    const tensors = await tensorsOf(PATHS.style);
    for (const [type, most] of [
      ['F16', 0.002],
      ['BF16', 0.02],
    ] as const) {
      const { error } = await painted('lora-style-1', { style: await written(type, tensors, type) });
      assert.ok(error > 0 && error <= most, `${type}: ${error}`);
    }
  });

  it('with an alpha in the metadata, as diffusers writes it', async () => {
    const rank = 4;
    const metadata = { lora_adapter_metadata: JSON.stringify({ 'unet.lora_alpha': 2 * rank, 'unet.r': rank }) };
    const path = await written('alpha', await tensorsOf(PATHS.style), 'F32', metadata);
    assert.ok((await painted('lora-style-1', { style: path }, { weights: { style: 0.5 } })).error <= 1e-4);
  });

  it('of the same layers and another training are told apart, so that no server computes with the weights of another', async () => {
    const tensors = await tensorsOf(PATHS.style);
    const trained = Object.fromEntries(
      Object.entries(tensors).map(([key, { shape, data }]) => [key, { shape, data: data.map((value) => value * 0.9) }]),
    );
    const same = await fingerprintWith({ style: await written('same', tensors) });
    assert.equal(await fingerprintWith({ style: await written('again', tensors) }), same);
    assert.notEqual(await fingerprintWith({ style: await written('trained', trained) }), same);
  });

  it('in a folder, as diffusers saves one', async () => {
    const own = join(folder, 'saved');
    await mkdir(own);
    await cp(PATHS.style, join(own, 'pytorch_lora_weights.safetensors'));
    assert.ok((await painted('lora-style-1', { style: own })).error <= 1e-4);
  });

  it('on an export that names its weights after its layers, and not its nodes', async () => {
    const model = join(folder, 'named weights');
    await cp(REFERENCE_MODEL, model, { recursive: true });
    await rewritten(join(REFERENCE_MODEL, 'unet', 'model.onnx'), join(model, 'unet'), (graph) => withNamesInWeights(graph));
    assert.ok((await painted('lora-style-1', { style: PATHS.style }, {}, model)).error <= 1e-4);
  });

  it('of weight 0 cost no value: to the byte what the model gives alone', async () => {
    const off = await painted('plain', { style: PATHS.style, detail: PATHS.detail }, { weights: { style: 0, detail: 0 } });
    assert.deepEqual(off.latent, (await painted('plain', {}, { weights: {} })).latent);
  });

  it('that cannot be used say why', async () => {
    const tensors = await tensorsOf(PATHS.style);
    const [first] = Object.keys(tensors);
    const other = (key: string, tensor: Tensors[string]): Tensors => ({ ...tensors, [key]: tensor });
    const square = { shape: [4, 4], data: new Float32Array(16) };

    await refused(await written('hada', { 'lora_unet_x.hada_w1_a': square }), /LoHa/);
    await refused(await written('lokr', { 'lora_unet_x.lokr_w1': square }), /LoKr/);
    await refused(await written('dora', other('unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.dora_scale', square)), /DoRA/);
    await refused(
      await written('sizes', other(first, { shape: [4, 48], data: new Float32Array(192) })),
      /\[4, 48\].*the model's layer is \[64, 64\].*another model/s,
    );
    await refused(await written('one', { [first]: tensors[first] }), /only some of the matrices/);
    await refused(
      await written(
        'flux',
        renamedKeys(tensors, (key) => key.replace(/unet\.(down|up)_blocks/, 'unet.double_blocks')),
      ),
      /of the 32 layers .* another architecture/,
    );
    await refused(await written('strange', other('something.else', square)), /"something.else"/);
    await refused(
      await written(
        'text',
        renamedKeys(tensors, (key) => key.replace('unet.', 'text_encoder_2.')),
      ),
      /text_encoder_2, which this model does not have/,
    );
    await refused(await written('checkpoint', { 'model.diffusion_model.input_blocks.0.0.weight': square }), /is of no known kind/);
    await writeFile(join(folder, 'torn.safetensors'), (await readFile(PATHS.style)).subarray(0, 5000));
    await refused(join(folder, 'torn.safetensors'), /torn/);
  });

  it('are multiplied with as they lie in the file where the provider can, and give the same where it cannot', async () => {
    const files = await findFiles(REFERENCE_MODEL);
    const model = { files, headers: await readHeaders(files) };
    const original = await readOnnxGraph(join(REFERENCE_MODEL, 'unet/model.onnx'));
    const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, k) => Math.sin(1.7 * k * k));
    const feeds: Record<string, Tensor> = {
      sample: { type: 'float32', data: noise(512), dims: [2, 4, 8, 8] },
      timestep: { type: 'int64', data: BigInt64Array.of(500n, 20n), dims: [2] },
      encoder_hidden_states: { type: 'float32', data: noise(2 * 77 * 32), dims: [2, 77, 32] },
      'lora/ink': { type: 'float32', data: Float32Array.of(0.8, -0.3), dims: [2] },
    };
    const computed = async (provider: string): Promise<{ turned: number; values: Float32Array }> => {
      const { graph } = applyPatches(original, (await Adapters.open({ ink: PATHS.style }, model)).patches('unet', provider));
      const turned = graph.nodes
        .map(readNode)
        .filter(({ operator, outputs }) => operator === 'Transpose' && outputs[0].startsWith('lora/'));
      const net = await OnnxNet.load(graph, { executionProvider: 'cpu' });
      const { out_sample: values } = await net.run(feeds);
      await net.close();
      return { turned: turned.length, values: values.data as Float32Array };
    };
    const [here, elsewhere] = [await computed('cpu'), await computed('dml')];
    assert.equal(here.turned, 0);
    assert.ok(elsewhere.turned > 0);
    assert.ok(relativeError(here.values, elsewhere.values) < 1e-5);
  });
});

/** Names of weights as current exporters write them, and nodes without names. */
function withNamesInWeights(graph: Parameters<Parameters<typeof rewritten>[2]>[0]): ReturnType<Parameters<typeof rewritten>[2]> {
  const names: Record<string, string> = {};
  const nodes = graph.nodes.map((bytes) => {
    const fields = fieldsOf(bytes);
    const name = fields.find(({ number }) => number === 3)?.bytes.toString() ?? '';
    const [, weight] = fields.filter(({ number }) => number === 1).map(({ bytes: input }) => input.toString());
    const path = name.split('/').filter(Boolean).slice(1, -1).join('.');
    if (weight?.startsWith('onnx::MatMul')) names[weight] = `unet.${path}.weight`;
    return message(...fields.filter(({ number }) => number !== 3).map(({ encoded }) => encoded));
  });
  return renamed({ ...graph, nodes }, names);
}
