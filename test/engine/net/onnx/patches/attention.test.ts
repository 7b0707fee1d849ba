import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelFolder } from '../../../../../engine/model/files';
import type { Tensor } from '../../../../../engine/net/net';
import { type OnnxGraph, readOnnxGraph } from '../../../../../engine/net/onnx/graph';
import { readNode } from '../../../../../engine/net/onnx/node';
import { OnnxNet } from '../../../../../engine/net/ort/onnx-net';
import { fuseAttention } from '../../../../../engine/net/onnx/patches/attention';
import { simplifyShapes } from '../../../../../engine/net/onnx/patches/shapes';
import { randn } from '../../../../../engine/diffusion/noise';
import { node, onnxModel, value, weight } from '../../../../lib/onnx-maker';
import { REFERENCE_MODEL, relativeError } from '../../../../lib/reference';

const CPU = { executionProvider: 'cpu', intraOpNumThreads: 1 };
const [HEADS, WIDTH, LENGTH] = [4, 24, 10];

const count = (graph: OnnxGraph, operator: string): number => graph.nodes.filter((bytes) => readNode(bytes).operator === operator).length;
const ints = (...values: number[]): BigInt64Array => BigInt64Array.from(values, BigInt);

/** Q, K and V by one matrix each, attention by heads in some form, and a matrix at the end. */
function attentionModel(form: { scale: 'scores' | 'roots' | 'other'; folded: boolean; masked?: boolean }): Buffer {
  const d = WIDTH / HEADS;
  const matrix = (name: string, seed: number): Buffer => weight(name, [WIDTH, WIDTH], randn([WIDTH, WIDTH], seed));
  const factor = form.scale === 'other' ? 0.3 : form.scale === 'roots' ? d ** -0.25 : d ** -0.5;
  const nodes: Buffer[] = [];
  const split = (name: string, perm: number[]): string => {
    nodes.push(
      node('MatMul', ['x', `w${name}`], `${name}3`),
      node('Reshape', [`${name}3`, 'split'], `${name}4`),
      node('Transpose', [`${name}4`], `${name}h`, { perm }),
    );
    if (!form.folded) return `${name}h`;
    nodes.push(node('Reshape', [`${name}h`, 'fold'], `${name}f`));
    return `${name}f`;
  };
  const scaled = (name: string): string => {
    if (form.scale !== 'roots') return name;
    nodes.push(node('Mul', [name, 'factor'], `${name}s`));
    return `${name}s`;
  };
  const query = scaled(split('q', [0, 2, 1, 3]));
  let key = split('k', form.folded ? [0, 2, 1, 3] : [0, 2, 3, 1]);
  if (form.folded) {
    nodes.push(node('Transpose', [key], 'kt', { perm: [0, 2, 1] }));
    key = 'kt';
  }
  nodes.push(node('MatMul', [query, scaled(key)], 'raw'));
  let scores = 'raw';
  const then = (operator: string, inputs: string[], output: string): void => {
    nodes.push(node(operator, inputs, output));
    scores = output;
  };
  if (form.scale !== 'roots') then('Mul', [scores, 'factor'], 'scores');
  if (form.masked) then('Add', [scores, 'mask'], 'maskedScores');
  if (form.folded) {
    nodes.push(node('Mul', ['empty', 'zero'], 'nothing'));
    then('Add', ['nothing', scores], 'sum');
  }
  nodes.push(node('Softmax', [scores], 'weights', { axis: form.folded ? 2 : 3 }));
  nodes.push(node('MatMul', ['weights', split('v', [0, 2, 1, 3])], 'heads'));
  if (form.folded) nodes.push(node('Reshape', ['heads', 'unfold'], 'unfolded'));
  nodes.push(
    node('Transpose', [form.folded ? 'unfolded' : 'heads'], 'back', { perm: [0, 2, 1, 3] }),
    node('Reshape', ['back', 'join'], 'joined'),
    node('MatMul', ['joined', 'wo'], 'y'),
  );
  return onnxModel({
    nodes,
    weights: [
      ...['wq', 'wk', 'wv', 'wo'].map((name, k) => matrix(name, k)),
      weight('factor', [], Float32Array.of(factor)),
      weight('zero', [], Float32Array.of(0)),
      weight('empty', [1], Float32Array.of(7)),
      weight(
        'mask',
        [LENGTH],
        Float32Array.from({ length: LENGTH }, (_, k) => (k > 5 ? -1e9 : 0)),
      ),
      weight('split', [4], ints(0, LENGTH, HEADS, d)),
      weight('fold', [3], ints(-1, LENGTH, d)),
      weight('unfold', [4], ints(-1, HEADS, LENGTH, d)),
      weight('join', [3], ints(0, LENGTH, WIDTH)),
    ],
    inputs: [value('x', 'float32', ['batch', LENGTH, WIDTH])],
    outputs: [value('y', 'float32', ['batch', LENGTH, WIDTH])],
  });
}

describe('attention in one operator', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'attention-'))));
  after(() => rm(folder, { recursive: true }));

  const written = async (model: Buffer): Promise<OnnxGraph> => {
    await writeFile(join(folder, 'model.onnx'), model);
    return readOnnxGraph(join(folder, 'model.onnx'));
  };
  const results = async (graphs: OnnxGraph[], feeds: Record<string, Tensor>): Promise<Float32Array[]> => {
    const outputs: Float32Array[] = [];
    for (const graph of graphs) {
      const net = await OnnxNet.load(graph, CPU);
      outputs.push((await net.run(feeds))[net.outputs[0].name].data as Float32Array);
      await net.close();
    }
    return outputs;
  };

  const forms = [
    { title: 'heads of their own, the scale on the scores', form: { scale: 'scores', folded: false } },
    { title: 'heads of their own, its roots on Q and K', form: { scale: 'roots', folded: false } },
    { title: 'heads of their own, a scale that is not 1/√d', form: { scale: 'other', folded: false } },
    { title: 'heads folded into the batch', form: { scale: 'scores', folded: true } },
  ] as const;
  for (const { title, form } of forms) {
    it(`computes the same: ${title}`, async () => {
      const graph = await written(attentionModel(form));
      const fused = fuseAttention(graph);
      assert.ok(fused);
      assert.deepEqual([count(fused, 'MultiHeadAttention'), count(fused, 'Softmax'), count(fused, 'Transpose')], [1, 0, 0]);
      const feeds = { x: { type: 'float32' as const, data: randn([3, LENGTH, WIDTH], 9), dims: [3, LENGTH, WIDTH] } };
      const [expected, got] = await results([graph, fused], feeds);
      assert.ok(relativeError(got, expected) < 1e-5);
    });
  }

  it('leaves attention with a mask as it is', async () => {
    assert.equal(fuseAttention(await written(attentionModel({ scale: 'scores', folded: false, masked: true }))), undefined);
  });

  const unets = [
    {
      title: 'of the embedded model',
      path: join(modelFolder('starter'), 'unet/model.onnx'),
      attentions: 8,
      channels: 16,
      tokens: 24,
      width: 128,
    },
    { title: 'as diffusers exports it', path: join(REFERENCE_MODEL, 'unet/model.onnx'), attentions: 8, channels: 4, tokens: 77, width: 32 },
  ];
  for (const { title, path, attentions, channels, tokens, width } of unets) {
    it(`finds every attention of a UNet ${title}, and computes the same at any size and number of rows`, async () => {
      const graph = await readOnnxGraph(path);
      const fused = fuseAttention(graph);
      assert.ok(fused);
      assert.deepEqual([count(fused, 'MultiHeadAttention'), count(fused, 'Softmax')], [attentions, 0]);
      const simple = simplifyShapes(fused) ?? fused;
      for (const [rows, h, w] of [
        [1, 8, 8],
        [3, 16, 24],
      ]) {
        const feeds: Record<string, Tensor> = {
          sample: { type: 'float32', data: randn([rows, channels, h, w], 1), dims: [rows, channels, h, w] },
          timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, k) => BigInt(900 - 250 * k)), dims: [rows] },
          encoder_hidden_states: { type: 'float32', data: randn([rows, tokens, width], 2), dims: [rows, tokens, width] },
        };
        const [expected, once, twice] = await results([graph, fused, simple], feeds);
        assert.ok(relativeError(once, expected) < 1e-5);
        assert.deepEqual(twice, once);
      }
    });
  }
});

describe('the arithmetic of sizes', () => {
  it('is taken out of the embedded UNet, more than half of whose nodes it is', async () => {
    const graph = await readOnnxGraph(join(modelFolder('starter'), 'unet/model.onnx'));
    const fused = fuseAttention(graph);
    const simple = fused && simplifyShapes(fused);
    assert.ok(simple);
    assert.ok(simple.nodes.length < graph.nodes.length / 2, `${simple.nodes.length} of ${graph.nodes.length}`);
    assert.equal(simplifyShapes(simple), undefined, 'nothing is left to take out');
  });

  it('stays where a size cannot be known', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shapes-'));
    const model = onnxModel({
      nodes: [
        node('Shape', ['z'], 'sizes'),
        node('Slice', ['sizes', 'one', 'three'], 'some'),
        node('Concat', ['some', 'rest'], 'list', { axis: 0 }),
        node('Reshape', ['x', 'list'], 'y'),
      ],
      weights: [weight('one', [1], ints(1)), weight('three', [1], ints(3)), weight('rest', [1], ints(-1))],
      inputs: [value('x', 'float32', ['a', 'b']), value('z', 'float32', ['c', 'd', 'e'])],
      outputs: [value('y', 'float32', ['f', 'g', 'h'])],
    });
    await writeFile(join(folder, 'model.onnx'), model);
    assert.equal(simplifyShapes(await readOnnxGraph(join(folder, 'model.onnx'))), undefined);
    await rm(folder, { recursive: true });
  });
});
