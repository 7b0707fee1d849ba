import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { RawImage } from '../../../../engine';
import type { AdapterKind } from '../../../../engine/model/adapters/adapter';
import { controlNexts } from '../../../../engine/model/adapters/controlnext';
import { Model } from '../../../../engine/model/model';
import { withFixedSizes } from '../../../../engine/net/onnx/edit';
import { makeInt64s, makeNode } from '../../../../engine/net/onnx/node';
import { withControlInputs } from '../../../../engine/net/onnx/patches/control';
import { kindPath, modelWith, pictureOf, ROWS, recorded, rowOf, rowsFor } from '../../../lib/control-kinds';
import { inHalf } from '../../../lib/half';
import { relativeError } from '../../../lib/reference';
import { renamed, rewritten } from '../../../lib/rewritten';

const TOLERANCE = 1e-4;

describe('T2I-Adapters, ControlNeXts and ControlNets in a UNet agree with what PyTorch computes', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'control-kinds-'));
  });
  after(() => rm(folder, { recursive: true }));

  const weightsOf = (k: number): number => recorded('weights').data[k];

  async function withModel<T>(
    unet: string,
    adapters: Record<string, string>,
    use: (model: Model) => Promise<T>,
    adapterKinds?: readonly AdapterKind[],
  ): Promise<T> {
    const path = unet.startsWith('/') ? unet : kindPath(unet);
    const model = await Model.load({ model: await modelWith(path, join(folder, 'models', basename(path))), adapters, adapterKinds });
    try {
      return await use(model);
    } finally {
      await model.close();
    }
  }

  /** Rows together, alone, and without their pictures: as PyTorch has each. */
  async function assertAgrees(
    model: Model,
    steered: string,
    plain: string | undefined,
    pictures: (k: number) => Record<string, RawImage>,
    weights: (k: number) => Record<string, number>,
  ): Promise<void> {
    const rows = await rowsFor(model, pictures, weights);
    const together = await model.unet.predict(rows);
    for (let k = 0; k < ROWS; k++) {
      const error = relativeError(together[k], rowOf(steered, k));
      assert.ok(error <= TOLERANCE, `row ${k} is off by ${error}`);
      const [alone] = await model.unet.predict([rows[k]]);
      assert.ok(relativeError(alone, together[k]) <= 1e-5, `row ${k} alone`);
    }
    const off = rows.map((row) => ({ ...row, weights: Object.fromEntries(Object.keys(weights(0)).map((name) => [name, 0])) }));
    const without = await model.unet.predict(await rowsFor(model, () => ({}), weights));
    assert.deepEqual(await model.unet.predict(off), without, 'strength 0 is the same as no picture, to the byte');
    assert.ok(relativeError(without[0], together[0]) > 0.01, 'it changes something');
    if (!plain) return;
    for (let k = 0; k < ROWS; k++) assert.ok(relativeError(without[k], rowOf(plain, k)) <= TOLERANCE, `without it, row ${k}`);
    // The last row alone has a picture.
    const mixed = await model.unet.predict(await rowsFor(model, (k) => (k === ROWS - 1 ? pictures(k) : {}), weights));
    assert.ok(relativeError(mixed[0], rowOf(plain, 0)) <= TOLERANCE);
    assert.ok(relativeError(mixed[ROWS - 1], rowOf(steered, ROWS - 1)) <= TOLERANCE);
  }

  for (const unet of ['sd', 'xl']) {
    it(`a T2I-Adapter on a plain UNet like ${unet}`, () =>
      withModel(unet, { edges: kindPath(`t2i-${unet}`) }, async (model) => {
        assert.deepEqual(model.info.adapters, [{ name: 'edges', kind: 't2i-adapter', picture: 'frame' }]);
        await assertAgrees(
          model,
          `${unet}/t2i`,
          `${unet}/plain`,
          (k) => ({ edges: pictureOf(k) }),
          (k) => ({ edges: weightsOf(k) }),
        );
      }));
  }

  it('a ControlNeXt on a plain UNet like sd', () =>
    withModel('sd', { edges: kindPath('controlnext') }, async (model) => {
      assert.deepEqual(model.info.adapters, [{ name: 'edges', kind: 'controlnext', picture: 'frame' }]);
      await assertAgrees(
        model,
        'sd/controlnext',
        'sd/plain',
        (k) => ({ edges: pictureOf(k) }),
        (k) => ({ edges: weightsOf(k) }),
      );
    }));

  it('a ControlNeXt where that for XL is added', () => {
    const forXl = {
      ...controlNexts,
      open: async (source: Parameters<AdapterKind['open']>[0]) => {
        const opened = await controlNexts.open(source);
        return opened && { ...opened, place: 'convolution' as const };
      },
    };
    const use = (model: Model): Promise<void> =>
      assertAgrees(
        model,
        'xl/controlnext',
        'xl/plain',
        (k) => ({ edges: pictureOf(k) }),
        (k) => ({ edges: weightsOf(k) }),
      );
    return withModel('xl', { edges: kindPath('controlnext') }, use, [forXl as AdapterKind]);
  });

  it("two ControlNets in a UNet, as diffusers' script exports them", () =>
    withModel('baked-diffusers', {}, async (model) => {
      assert.deepEqual(model.info.adapters, [
        { name: 'control-1', kind: 'controlnet', picture: 'frame' },
        { name: 'control-2', kind: 'controlnet', picture: 'frame' },
      ]);
      await assertAgrees(
        model,
        'baked-diffusers',
        undefined,
        (k) => ({ 'control-1': pictureOf(k), 'control-2': pictureOf(k, true) }),
        (k) => ({ 'control-1': weightsOf(k), 'control-2': 0.5 - weightsOf(k) }),
      );
    }));

  it('ControlNets in a UNet that uses their scales in an unusual way, so that rows of other strengths have runs of their own', async () => {
    const scales = 'conditioning_scales';
    const unusual = await rewritten(kindPath('baked-diffusers/model.onnx'), join(folder, 'unusual'), (graph) => {
      const inner = renamed(graph, { [scales]: 'inner' });
      return {
        ...inner,
        inputs: graph.inputs,
        weights: [...inner.weights, makeInt64s('as_they_are', [2, 1])],
        nodes: [makeNode('Reshape', [scales, 'as_they_are'], 'inner'), ...inner.nodes],
      };
    });
    await withModel(unusual, {}, (model) =>
      assertAgrees(
        model,
        'baked-diffusers',
        undefined,
        (k) => ({ 'control-1': pictureOf(k), 'control-2': pictureOf(k, true) }),
        (k) => ({ 'control-1': weightsOf(k), 'control-2': 0.5 - weightsOf(k) }),
      ),
    );
  });

  it("a ControlNet in a UNet, as ONNX Runtime's demo exports it", () =>
    withModel('baked-demo', {}, async (model) => {
      assert.deepEqual(model.info.adapters, [{ name: 'control', kind: 'controlnet', picture: 'frame' }]);
      await assertAgrees(
        model,
        'baked-demo',
        undefined,
        (k) => ({ control: pictureOf(k) }),
        (k) => ({ control: weightsOf(k) }),
      );
    }));

  it('made for one row', async () => {
    const single = (from: string, to: string, shapes: Record<string, number[]>): Promise<string> =>
      rewritten(kindPath(`${from}/model.onnx`), join(folder, to), (graph) => withFixedSizes(graph, shapes));
    const t2i = await single('t2i-sd', 't2i-one', { image: [1, 1, 64, 64] });
    const next = await single('controlnext', 'next-one', { sample: [1, 3, 64, 64], timesteps: [1] });
    const sd = await single('sd', 'sd-one', { sample: [1, 4, 8, 8], timestep: [1], encoder_hidden_states: [1, 77, 32] });
    const baked = await single('baked-demo', 'baked-one', {
      sample: [1, 4, 8, 8],
      encoder_hidden_states: [1, 77, 32],
      controlnet_images: [1, 1, 3, 64, 64],
    });
    const edges = (k: number): Record<string, RawImage> => ({ edges: pictureOf(k) });
    const weights = (k: number): Record<string, number> => ({ edges: weightsOf(k) });
    for (const unet of ['sd', sd]) {
      await withModel(unet, { edges: t2i }, (model) => assertAgrees(model, 'sd/t2i', 'sd/plain', edges, weights));
      await withModel(unet, { edges: next }, (model) => assertAgrees(model, 'sd/controlnext', 'sd/plain', edges, weights));
    }
    const control = (k: number): Record<string, RawImage> => ({ control: pictureOf(k) });
    await withModel(baked, {}, (model) => assertAgrees(model, 'baked-demo', undefined, control, (k) => ({ control: weightsOf(k) })));
  });

  it('in half precision are near', async () => {
    const half = async (name: string): Promise<string> => rewritten(kindPath(`${name}/model.onnx`), join(folder, `${name}-half`), inHalf);
    const adapters = { t2i: await half('t2i-sd'), next: await half('controlnext') };
    const [sd, baked] = [await half('sd'), await half('baked-demo')];
    for (const unet of ['sd', sd])
      await withModel(unet, adapters, async (model) => {
        for (const [name, expected] of [
          ['t2i', 'sd/t2i'],
          ['next', 'sd/controlnext'],
        ]) {
          const rows = await rowsFor(
            model,
            (k) => ({ [name]: pictureOf(k) }),
            (k) => ({ [name]: weightsOf(k) }),
          );
          (await model.unet.predict(rows)).forEach((got, k) => {
            const error = relativeError(got, rowOf(expected, k));
            assert.ok(error <= 0.02, `${name}, row ${k}: ${error}`);
          });
        }
      });
    await withModel(baked, {}, async (model) => {
      const rows = await rowsFor(
        model,
        (k) => ({ control: pictureOf(k) }),
        (k) => ({ control: weightsOf(k) }),
      );
      (await model.unet.predict(rows)).forEach((got, k) => assert.ok(relativeError(got, rowOf('baked-demo', k)) <= 0.02));
    });
  });

  it('beside ControlNet inputs of the UNet, and all at once, each adds its own', async () => {
    const taking = await rewritten(kindPath('sd/model.onnx'), join(folder, 'taking'), (graph) => {
      const patched = withControlInputs(graph, 'float32');
      assert.ok(patched);
      return renamed(patched, Object.fromEntries([...Array(8).keys()].map((k) => [`control/down_0${k}`, `input_control_0${k}`])));
    });
    const adapters = { t2i: kindPath('t2i-sd'), next: kindPath('controlnext') };
    await withModel(taking, adapters, async (model) => {
      for (const [name, expected] of [
        ['t2i', 'sd/t2i'],
        ['next', 'sd/controlnext'],
      ])
        await assertAgrees(
          model,
          expected,
          'sd/plain',
          (k) => ({ [name]: pictureOf(k) }),
          (k) => ({ [name]: weightsOf(k) }),
        );
    });
  });

  it('for another model are refused by what does not fit', async () => {
    const refused = (unet: string, path: string, says: RegExp): Promise<void> =>
      assert.rejects(
        withModel(unet, { mine: path }, () => Promise.resolve()),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'EBADMODEL', error.message);
          assert.match(error.message, says);
          assert.match(error.message, /mine/);
          return true;
        },
      );
    await withModel('sd', { mine: kindPath('t2i-xl') }, async (model) => {
      const rows = await rowsFor(
        model,
        (k) => ({ mine: pictureOf(k) }),
        () => ({}),
      );
      await assert.rejects(model.unet.predict(rows), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EBADMODEL');
        assert.match(error.message, /mine.*feature 1 is \[16, 4, 4\], this UNet takes \[16, 8, 8\].*another model/);
        return true;
      });
    });
    await refused('xl', kindPath('baked-demo'), /of no known kind/);
    const fewer = await rewritten(kindPath('t2i-sd/model.onnx'), join(folder, 'fewer'), (graph) => ({
      ...graph,
      outputs: graph.outputs.slice(1),
    }));
    await refused('sd', fewer, /gives 2 features, this UNet takes 3 or 4/);
    const reversed = await rewritten(kindPath('t2i-sd/model.onnx'), join(folder, 'reversed'), (graph) =>
      renamed(graph, { feature_0: 'feature_2', feature_2: 'feature_0' }),
    );
    await refused('sd', reversed, /feature 1 has 32 channels, this UNet takes 16/);
  });
});
