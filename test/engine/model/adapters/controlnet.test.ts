import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Output } from '../../../../engine';
import { withFixedSizes } from '../../../../engine/net/onnx/edit';
import type { OnnxGraph } from '../../../../engine/net/onnx/graph';
import { withControlInputs } from '../../../../engine/net/onnx/patches/control';
import { controlCase, PATHS } from '../../../lib/control-cases';
import { inHalf } from '../../../lib/half';
import { REFERENCE_MODEL, relativeError } from '../../../lib/reference';
import { renamed, rewritten } from '../../../lib/rewritten';

const DEPTH = join(PATHS.depth, 'model.onnx');
const LINES = PATHS.lines;

describe('exports of ControlNets, and UNets with inputs for them', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'controlnet-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** How far an engine is from what PyTorch computed, in standard deviations. */
  async function errorOf(name: string, adapters: Record<string, string>, model = REFERENCE_MODEL, fixedShapes = false): Promise<number> {
    const reference = controlCase(name);
    const { case: settings, tokenIds } = reference;
    const engine = await Engine.load({ model, adapters, fixedShapes });
    const stream = await engine.createStream({ ...reference.options, weights: known(engine, settings.controls) });
    await stream.setPrompt({ tokenIds: tokenIds[settings.prompt], negativeTokenIds: tokenIds[settings.negative_prompt] });
    const outputs: Output[] = [];
    for (let frame = 0; frame < settings.frames; frame++)
      outputs.push(...(await stream.process({ id: frame, pictures: known(engine, reference.pictures(frame)) })));
    await engine.close();
    assert.equal(outputs.length, settings.frames - settings.t_index_list.length + 1);
    return Math.max(...outputs.map(({ id, latent }) => relativeError(latent, reference.x0(Number(id)))));
  }

  const depth = (name: string, change: (graph: OnnxGraph) => OnnxGraph): Promise<string> => rewritten(DEPTH, join(folder, name), change);

  it('with two names for all outputs, the second of which is wrong, as Amblyopius exports', async () => {
    const path = await depth('amblyopius', (graph) =>
      renamed(graph, {
        down_block_00: 'down_block_res_samples',
        down_block_01: 'mid_block_res_sample',
        down_block_02: '5813',
        down_block_03: '5821',
        mid_block: '5829',
      }),
    );
    assert.ok((await errorOf('control-2step', { depth: path })) <= 1e-4);
  });

  it('whose outputs stand in another order than their numbers', async () => {
    const path = await depth('reversed', (graph) => ({ ...graph, outputs: [...graph.outputs].reverse() }));
    assert.ok((await errorOf('control-2step', { depth: path })) <= 1e-4);
  });

  it('that call the picture otherwise', async () => {
    const path = await depth('renamed', (graph) => renamed(graph, { controlnet_cond: 'control_image' }));
    assert.ok((await errorOf('control-2step', { depth: path })) <= 1e-4);
  });

  it('made for one row, and for one size', async () => {
    const path = await depth('fixed', (graph) =>
      withFixedSizes(graph, { sample: [1, 4, 8, 8], timestep: [1], encoder_hidden_states: [1, 77, 32], controlnet_cond: [1, 3, 64, 64] }),
    );
    assert.ok((await errorOf('control-2step', { depth: path })) <= 1e-4);
  });

  it('in half precision, on a UNet in single precision and on one in half', async () => {
    const path = await depth('half', inHalf);
    const model = join(folder, 'half model');
    await cp(REFERENCE_MODEL, model, { recursive: true });
    await rewritten(join(REFERENCE_MODEL, 'unet', 'model.onnx'), join(model, 'unet'), inHalf);
    for (const each of [REFERENCE_MODEL, model]) {
      const [own, plain] = [await errorOf('control-2step', { depth: path }, each), await errorOf('control-2step', {}, each)];
      assert.ok(own <= 0.01, `off by ${own}`);
      assert.ok(plain > 0.1, 'without it the pictures are others');
    }
  });

  it('beside nets that are opened anew for every size', async () => {
    const adapters = { depth: PATHS.depth, lines: LINES };
    assert.ok((await errorOf('control-two-self', adapters, REFERENCE_MODEL, true)) <= 1e-4);
    assert.ok((await errorOf('plain', adapters, REFERENCE_MODEL, true)) <= 1e-4);
  });

  it('with a scale of their own, in double precision, beside one without', async () => {
    assert.ok((await errorOf('control-two-self', { depth: PATHS.depth, lines: LINES })) <= 1e-4);
  });

  const styles: Record<string, (k: number | 'mid') => string> = {
    livepeer: (k) => (k === 'mid' ? 'input_control_middle' : `input_control_0${k}`),
    TensorStack: (k) => (k === 'mid' ? 'mid_block_additional_residual' : `down_block_${k}_additional_residual`),
    Amblyopius: (k) => (k === 'mid' ? 'mid_block_additional_residual' : `down_block_${k}`),
  };
  for (const [style, nameOf] of Object.entries(styles)) {
    it(`UNets with the inputs of ${style}, with and without a ControlNet`, async () => {
      const model = join(folder, style);
      await cp(REFERENCE_MODEL, model, { recursive: true });
      await rewritten(join(REFERENCE_MODEL, 'unet', 'model.onnx'), join(model, 'unet'), (graph) => {
        const patched = withControlInputs(graph, 'float32');
        assert.ok(patched);
        const names = [0, 1, 2, 3].map((k) => [`control/down_0${k}`, nameOf(k)]);
        return renamed(patched, Object.fromEntries([...names, ['control/mid', nameOf('mid')]]));
      });
      assert.ok((await errorOf('control-full', { lines: LINES }, model)) <= 1e-4);
      assert.ok((await errorOf('plain', {}, model)) <= 1e-4);
    });
  }

  it('for another model are refused by what does not fit', async () => {
    const fewer = await depth('fewer', (graph) => ({ ...graph, outputs: graph.outputs.slice(1) }));
    await assert.rejects(Engine.load({ model: REFERENCE_MODEL, adapters: { mine: fewer } }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'EBADMODEL');
      assert.match(error.message, /mine.*gives 4 residuals, this UNet takes 5/);
      return true;
    });
    const swapped = await depth('swapped', (graph) => renamed(graph, { down_block_00: 'down_block_03', down_block_03: 'down_block_00' }));
    await assert.rejects(
      Engine.load({ model: REFERENCE_MODEL, adapters: { mine: swapped } }),
      /residual 1 has 64 channels, this UNet takes 32/,
    );
    await assert.rejects(Engine.load({ model: 'starter', adapters: { mine: PATHS.depth } }), /mine/);
  });
});

/** Of what goes by names, that for the engine's adapters and the frame itself. */
function known<T>(engine: Engine, byName: Record<string, T> = {}): Record<string, T> {
  const names = ['image', ...engine.info.adapters.map(({ name }) => name)];
  return Object.fromEntries(Object.entries(byName).filter(([name]) => names.includes(name)));
}
