import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Output, type RawImage, type StreamOptions } from '../../../../engine';
import { inspectAdapters } from '../../../../engine/model/adapters/inspect';
import { findFiles } from '../../../../engine/model/files';
import { readHeaders } from '../../../../engine/model/headers';
import { Model } from '../../../../engine/model/model';
import type { UnetRow } from '../../../../engine/model/unet/row';
import type { Tensor } from '../../../../engine/net/net';
import { inputName, shapeOf, withShape } from '../../../../engine/net/onnx/edit';
import type { OnnxGraph } from '../../../../engine/net/onnx/graph';
import { makeInt64s, makeNode } from '../../../../engine/net/onnx/node';
import { field, fieldsOf, message } from '../../../../engine/net/onnx/protobuf';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { controlCase, PATHS } from '../../../lib/control-cases';
import { modelWith } from '../../../lib/control-kinds';
import { inHalf } from '../../../lib/half';
import { relativeError, ROOT } from '../../../lib/reference';
import { renamed, rewritten } from '../../../lib/rewritten';

/** See test/models/export_ip_in_unet.py. */
const FIXTURES = join(ROOT, 'test/fixtures/ip-in-unet');
const FORMS = ['scale', 'tokens', 'embeds'] as const;
type Form = (typeof FORMS)[number];
const TOLERANCE = 1e-4;
const ROWS = 3;

const recorded = JSON.parse(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as Record<string, { shape: number[]; data: number[] }>;

/** Of recorded tensors [B, …], what row `k` has. */
function rowOf(name: string, k: number): Float32Array {
  const { data } = recorded[name];
  const length = data.length / ROWS;
  return Float32Array.from(data.slice(k * length, (k + 1) * length));
}

/** A recorded row that shows its picture under the name `look`, or none. */
function row(k: number, form: Form, weight: number | undefined): UnetRow {
  const picture =
    form === 'embeds' ? { tokens: rowOf('embeds', k), count: 1, width: 24 } : { tokens: rowOf('image', k), count: 4, width: 32 };
  return {
    sample: rowOf('sample', k),
    shape: { height: 8, width: 8 },
    timestep: recorded.timestep.data[k],
    conditioning: { hiddenStates: rowOf('states', k), tokens: 77, width: 32, ...(weight !== undefined && { images: { look: picture } }) },
    ...(weight !== undefined && { weights: { look: weight } }),
  };
}

describe('IP-Adapters in a UNet', () => {
  let folder: string;
  let look: string;
  const reference = controlCase('ip-half-full');
  const { case: settings, tokenIds } = reference;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ip-in-unet-'));
    look = await adapter('look', join(FIXTURES, 'ip-adapter.safetensors'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A folder with the reference's image encoder, and these weights. */
  async function adapter(name: string, weights?: string): Promise<string> {
    const path = join(folder, name);
    await mkdir(path);
    await cp(join(PATHS.picture, 'image_encoder'), join(path, 'image_encoder'), { recursive: true });
    if (weights) await cp(weights, join(path, 'ip-adapter.safetensors'));
    return path;
  }

  const modelOf = (unet: string): Promise<string> =>
    modelWith(unet.startsWith('/') ? unet : join(FIXTURES, unet), join(folder, 'models', unet.replaceAll('/', '_')));

  const changed = (form: Form | 'plain', name: string, change: (graph: OnnxGraph) => OnnxGraph): Promise<string> =>
    rewritten(join(FIXTURES, form, 'model.onnx'), join(folder, name), change);

  async function withModel<T>(unet: string, adapters: Record<string, string>, use: (model: Model) => Promise<T>): Promise<T> {
    const model = await Model.load({ model: await modelOf(unet), adapters });
    try {
      return await use(model);
    } finally {
      await model.close();
    }
  }

  async function assertAgrees(unet: string, form: Form, tolerance = TOLERANCE): Promise<void> {
    await withModel(unet, { look }, async (model) => {
      assert.deepEqual(model.info.adapters, [{ name: 'look', kind: 'ip-adapter', picture: 'prompt' }]);
      const rows = [0, 1, 2].map((k) => row(k, form, recorded.weights.data[k]));
      const together = await model.unet.predict(rows);
      for (let k = 0; k < ROWS; k++) {
        const error = relativeError(together[k], rowOf('shown', k));
        assert.ok(error <= tolerance, `row ${k} is off by ${error}`);
        assert.ok(relativeError(together[k], rowOf('plain', k)) > 100 * TOLERANCE, 'it changes something');
      }
      const without = await model.unet.predict([0, 1, 2].map((k) => row(k, form, undefined)));
      assert.deepEqual(await model.unet.predict([0, 1, 2].map((k) => row(k, form, 0))), without, 'strength 0 is no picture, to the byte');
      for (let k = 0; k < ROWS; k++) assert.ok(relativeError(without[k], rowOf('plain', k)) <= tolerance, `without it, row ${k}`);
      const mixed = await model.unet.predict([row(0, form, undefined), row(1, form, recorded.weights.data[1])]);
      assert.ok(relativeError(mixed[0], without[0]) <= 1e-5);
      assert.ok(relativeError(mixed[1], together[1]) <= 1e-5);
    });
  }

  for (const form of FORMS) it(`compute what PyTorch does, each row at its own strength: ${form}`, () => assertAgrees(form, form));

  for (const form of FORMS)
    it(`do so in half precision, and made for one row: ${form}`, async () => {
      await assertAgrees(await changed(form, `${form}-half`, inHalf), form, 0.02);
      const single = await changed(form, `${form}-one`, (graph) => ({
        ...graph,
        inputs: graph.inputs.map((input) =>
          inputName(input) === 'ipadapter_scale' ? input : withShape(input, [1, ...shapeOf(input).slice(1)]),
        ),
      }));
      await assertAgrees(single, form);
    });

  for (const form of FORMS)
    it(`let rows with and without a picture share a call: ${form}`, () =>
      withModel(form, { look }, async (model) => {
        const calls: Record<string, Tensor>[] = [];
        const run = OnnxNet.prototype.run;
        OnnxNet.prototype.run = function (feeds: Record<string, Tensor>) {
          calls.push(feeds);
          return run.call(this, feeds);
        };
        try {
          await model.unet.predict([row(0, form, 0.3), row(1, form, undefined), row(2, form, 1)]);
        } finally {
          OnnxNet.prototype.run = run;
        }
        assert.equal(calls.length, 1);
        assert.deepEqual([...(calls[0]['ip/look'].data as Float32Array)], [Math.fround(0.3), 0, 1]);
      }));

  it('are known where sizes are left free, names are others, or an embedding has two dimensions', async () => {
    const freed = await changed('scale', 'free', (graph) =>
      renamed(
        {
          ...graph,
          inputs: graph.inputs.map((input) =>
            inputName(input) === 'ipadapter_scale'
              ? withShape(input, ['L_ip'])
              : inputName(input) === 'encoder_hidden_states'
                ? withShape(input, ['B', 'T', 32])
                : input,
          ),
        },
        { ipadapter_scale: 'ip_adapter_scale' },
      ),
    );
    await assertAgrees(freed, 'scale');
    const dotted = await changed('embeds', 'dotted', (graph) => renamed(graph, { image_embeds: 'added_cond_kwargs.image_embeds' }));
    await assertAgrees(dotted, 'embeds');
    const named = await changed('tokens', 'named', (graph) => renamed(graph, { image_embeddings: 'image_embeds' }));
    await assertAgrees(named, 'tokens');
    const flat = await changed('embeds', 'flat', (graph) => {
      const inner = reshaped(renamed(graph, { image_embeds: 'inner' }), 'inner', ['B', 24]);
      return {
        ...inner,
        inputs: inner.inputs.map((input) =>
          inputName(input) === 'inner' ? renamed({ ...inner, inputs: [input] }, { inner: 'image_embeds' }).inputs[0] : input,
        ),
        weights: [...inner.weights, makeInt64s('middle', [1])],
        nodes: [makeNode('Unsqueeze', ['image_embeds', 'middle'], 'inner'), ...inner.nodes],
      };
    });
    await assertAgrees(flat, 'embeds');
    // Nobody tells how many tokens a picture has there.
    await assert.rejects(
      withModel(freed, {}, () => Promise.resolve()),
      { code: 'EBADMODEL', message: /encoder_hidden_states.*give the engine the folder/ },
    );
  });

  const shown = (): RawImage => reference.prompt() as RawImage;

  async function painted(on: Engine, images?: Record<string, RawImage>, options: Partial<StreamOptions> = {}): Promise<Output> {
    const stream = await on.createStream({ ...reference.options, ...options });
    await stream.setPrompt({
      tokenIds: tokenIds[settings.prompt],
      negativeTokenIds: tokenIds[settings.negative_prompt],
      ...(images && { images }),
    });
    await stream.process({ id: 0, pictures: reference.pictures(0) });
    const [first] = await stream.flush();
    await stream.close();
    return first;
  }

  it('show a picture as the same IP-Adapter does beside the plain UNet, under guidance and without', async () => {
    const beside = await Engine.load({ model: await modelOf('plain'), adapters: { look } });
    // The projection of `embeds` is in the UNet: the encoder is all that it needs.
    const encoder = await adapter('encoder');
    for (const form of FORMS) {
      const inside = await Engine.load({ model: await modelOf(form), adapters: { look: form === 'embeds' ? encoder : look } });
      for (const [cfgType, weight] of [
        ['none', 1],
        ['full', 0.6],
      ] as const) {
        const options = { cfgType, guidanceScale: 1.5, weights: { look: weight } };
        const [expected, plain] = [await painted(beside, { look: shown() }, options), await painted(beside, undefined, options)];
        const got = await painted(inside, { look: shown() }, options);
        const error = relativeError(got.latent, expected.latent);
        assert.ok(error <= TOLERANCE, `${form}, ${cfgType}: ${error}`);
        assert.ok(relativeError((await painted(inside, undefined, options)).latent, plain.latent) <= TOLERANCE);
        assert.ok(relativeError(got.latent, plain.latent) > 100 * TOLERANCE, 'it changes something');
      }
      await inside.close();
    }
    await beside.close();
  });

  for (const form of FORMS)
    it(`paint without a picture where no folder was given, and say what to give for one: ${form}`, async () => {
      const engine = await Engine.load({ model: await modelOf(form) });
      const plain = await Engine.load({ model: await modelOf('plain') });
      assert.deepEqual(engine.info.adapters, [{ name: 'picture', kind: 'ip-adapter', picture: 'prompt' }]);
      assert.match(engine.warnings.join('\n'), /IP-Adapter in it, which is computed with every frame/);
      assert.ok(relativeError((await painted(engine)).latent, (await painted(plain)).latent) <= TOLERANCE);
      await assert.rejects(painted(engine, { picture: shown() }), { code: 'EBADPARAM', message: /image_encoder\/model\.onnx/ });
      await Promise.all([engine.close(), plain.close()]);
    });

  it('are reported once, with what a folder makes of them', async () => {
    const files = await findFiles(await modelOf('scale'));
    const report = async (paths: Record<string, string>) => inspectAdapters(paths, { files, headers: await readHeaders(files) });
    assert.deepEqual(
      (await report({})).map(({ name, kind, isOwn }) => ({ name, kind, isOwn })),
      [{ name: 'picture', kind: 'ip-adapter', isOwn: true }],
    );
    assert.deepEqual(await report({ look }), [
      { name: 'look', path: look, isOwn: false, kind: 'ip-adapter', picture: 'prompt', variant: 'plain' },
    ]);
  });

  it('that cannot be used say why', async () => {
    const refused = (unet: string, adapters: Record<string, string>, says: RegExp): Promise<void> =>
      assert.rejects(
        withModel(unet, adapters, () => Promise.resolve()),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'EBADMODEL', error.message);
          assert.match(error.message, says);
          return true;
        },
      );
    await refused('scale', { look, other: look }, /"other".*one IP-Adapter in it, which "look" is for/);
    await refused('scale', { look: join(folder, 'encoder') }, /"look".*no \.safetensors file, or several/);
    await refused(
      'tokens',
      { look: join(ROOT, 'test/fixtures/ip-adapter-plus') },
      /"look".*\[\d+, \d+\].*"image_embeddings" as \[batch, 4, 32\]/,
    );
    const wide = await changed('embeds', 'wide', (graph) => reshaped(graph, 'image_embeds', ['B', 1, 1024]));
    await refused(wide, { look }, /makes \[1, 24\].*\[B, 1, 1024\]/);
    const patches = await changed('embeds', 'patches', (graph) => reshaped(graph, 'image_embeds', ['B', 1, 257, 1280]));
    await refused(patches, { look }, /one embedding of one picture/);
    const nameless = await changed('scale', 'nameless', (graph) => ({
      ...graph,
      // NodeProto { name 3 }
      nodes: graph.nodes.map((node) => message(...fieldsOf(node).map((part) => (part.number === 3 ? field(3, '') : part.encoded)))),
    }));
    await refused(nameless, { look }, /shows 0 products "to_v_ip"/);
    await withModel(
      await changed('scale', 'longer', (graph) => reshaped(graph, 'encoder_hidden_states', ['B', 93, 32])),
      { look },
      (model) =>
        assert.rejects(model.unet.predict([row(0, 'scale', 1)]), { code: 'EBADMODEL', message: /takes 93 tokens.*text has 77.*"look" 4/ }),
    );
  });
});

function reshaped(graph: OnnxGraph, name: string, shape: (number | string)[]): OnnxGraph {
  return { ...graph, inputs: graph.inputs.map((input) => (inputName(input) === name ? withShape(input, shape) : input)) };
}
