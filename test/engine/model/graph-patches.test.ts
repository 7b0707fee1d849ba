import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { findFiles, modelFolder } from '../../../engine/model/files';
import { int8Patch, type NetWish, openPatched, patchesFor } from '../../../engine/model/graph-patches';
import { patchedFingerprint } from '../../../engine/model/fingerprint';
import type { NetFiles } from '../../../engine/model/layouts';
import { withFixedSizes } from '../../../engine/net/onnx/edit';
import { type OnnxGraph, readOnnxGraph, writeOnnxGraph } from '../../../engine/net/onnx/graph';
import { makeNode, readNode } from '../../../engine/net/onnx/node';
import type { GraphPatch } from '../../../engine/net/onnx/patches/patch';
import { onnxRuntime } from '../../../engine/net/ort/runtime';

describe('what is changed of a net before it is opened', () => {
  const wish = { name: 'unet', executionProvider: 'cpu', arithmetic: 'int8' } as const;
  const openChanged = <N>(
    asked: NetWish,
    net: NetFiles,
    open: (graph: OnnxGraph | undefined) => Promise<N>,
    notes: string[],
    ofAdapters: GraphPatch[] = [],
  ): Promise<N> => openPatched(patchesFor(asked, net, false, ofAdapters), net, undefined, open, notes);
  const operators = (graph: OnnxGraph | undefined): string[] => graph?.nodes.map((bytes) => readNode(bytes).operator) ?? [];

  it('is its attention, its sizes and its arithmetic', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const notes: string[] = [];
    const opened = operators(await openChanged(wish, unet, (graph) => Promise.resolve(graph), notes));
    assert.ok(opened.includes('MultiHeadAttention') && opened.includes('QuantizeLinear'));
    const elsewhere = operators(
      await openChanged({ ...wish, executionProvider: 'dml:1', arithmetic: 'float32' }, unet, (graph) => Promise.resolve(graph), notes),
    );
    assert.ok(
      !elsewhere.includes('MultiHeadAttention') && !elsewhere.includes('QuantizeLinear'),
      'no provider gets an operator that it may lack',
    );
    assert.deepEqual(notes, []);
  });

  it('leaves hardly an operator that fixed sizes would take out', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const folder = await mkdtemp(join(tmpdir(), 'optimised-'));
    // What ONNX Runtime is left with before it goes by the provider.
    const left = async (graph: OnnxGraph): Promise<number> => {
      const optimised = join(folder, 'model.onnx');
      const session = await onnxRuntime().InferenceSession.create(writeOnnxGraph(graph), {
        graphOptimizationLevel: 'basic',
        optimizedModelFilePath: optimised,
        extra: { session: { model_external_initializers_file_folder_path: graph.folder } },
      });
      await session.release();
      return (await readOnnxGraph(optimised)).nodes.length;
    };
    const sizes = { sample: [1, 16, 16, 16], timestep: [1], encoder_hidden_states: [1, 24, 128] };
    try {
      const exported = await readOnnxGraph(unet.path);
      const cuda = { ...wish, executionProvider: 'cuda', arithmetic: 'float32' } as const;
      const changed = (await openChanged(cuda, unet, (graph) => Promise.resolve(graph), [])) ?? exported;
      const [free, fixed] = [await left(changed), await left(withFixedSizes(changed, sizes))];
      assert.ok(free <= 1.05 * fixed, `${free} of the engine's graph with free sizes, ${fixed} with fixed ones`);
      const [freeFile, fixedFile] = [await left(exported), await left(withFixedSizes(exported, sizes))];
      assert.ok(freeFile > 1.5 * fixedFile && fixed < fixedFile, `${freeFile} and ${fixedFile} of the file as it is`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('is nothing where the changed net is refused, which is told', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const notes: string[] = [];
    const open = (graph: OnnxGraph | undefined): Promise<string> =>
      graph ? Promise.reject(new EngineError('EBADMODEL', 'no such kernel')) : Promise.resolve('as it is');
    assert.equal(await openChanged(wish, unet, open, notes), 'as it is');
    assert.match(notes.join(), /runs as it was exported.*no such kernel/);
  });

  it('ends with what adapters need, without which it is never opened', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const patch: GraphPatch = {
      name: 'made up',
      apply: (graph) => ({ ...graph, nodes: [...graph.nodes, makeNode('MadeUp', ['sample'], 'unused')] }),
    };
    const tried: string[][] = [];
    const open = (graph: OnnxGraph | undefined): Promise<string> => {
      tried.push(operators(graph));
      return tried.length === 1 ? Promise.reject(new EngineError('EBADMODEL', 'no such kernel')) : Promise.resolve('opened');
    };
    const notes: string[] = [];
    assert.equal(await openChanged(wish, unet, open, notes, [patch]), 'opened');
    assert.deepEqual(
      tried.map((all) => [all.includes('MultiHeadAttention'), all.includes('QuantizeLinear'), all.at(-1)]),
      [
        [true, true, 'MadeUp'],
        [false, false, 'MadeUp'],
      ],
    );
    assert.match(notes.join(), /more slowly/);
  });

  it('names itself in the fingerprint of a net where it changes what comes out', () => {
    const ranges: Record<string, [number, number]> = { x: [0, 1] };
    const fingerprints = [[], [int8Patch(ranges, 8, '')], [int8Patch(ranges, 7, '')], [int8Patch({ x: [0, 2] }, 8, '')]].map((patches) =>
      patchedFingerprint('abc', [...patches, { name: 'faster', apply: () => undefined }]),
    );
    assert.equal(fingerprints[0], 'abc');
    assert.match(fingerprints[1], /^abc-int8-[0-9a-f]{8}$/);
    assert.match(fingerprints[2], /^abc-int8-7bit-[0-9a-f]{8}$/);
    assert.equal(new Set(fingerprints).size, 4);
  });

  it('leaves the error of a net that cannot be opened at all', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const refuse = (graph: OnnxGraph | undefined): Promise<never> =>
      Promise.reject(new EngineError('EBADMODEL', graph ? 'changed' : 'as it is'));
    await assert.rejects(openChanged(wish, unet, refuse, []), { code: 'EBADMODEL', message: 'as it is' });
  });
});
