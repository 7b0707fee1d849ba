import assert from 'node:assert/strict';
import { EngineError } from '../../../engine/errors';
import { findFiles, modelFolder } from '../../../engine/model/files';
import { openChanged } from '../../../engine/model/net-graph';
import type { OnnxGraph } from '../../../engine/net/onnx/graph';
import { readNode } from '../../../engine/net/onnx/node';

describe('what is changed of a net before it is opened', () => {
  const wish = { name: 'unet', executionProvider: 'cpu', arithmetic: 'int8' } as const;
  const operators = (graph: OnnxGraph | undefined): string[] => graph?.nodes.map((bytes) => readNode(bytes).operator) ?? [];

  it('is its attention, its sizes and its arithmetic', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const notes: string[] = [];
    const opened = operators(await openChanged(wish, unet, undefined, (graph) => Promise.resolve(graph), notes));
    assert.ok(opened.includes('MultiHeadAttention') && opened.includes('QuantizeLinear'));
    const elsewhere = operators(
      await openChanged(
        { ...wish, executionProvider: 'dml:1', arithmetic: 'float32' },
        unet,
        undefined,
        (graph) => Promise.resolve(graph),
        notes,
      ),
    );
    assert.ok(
      !elsewhere.includes('MultiHeadAttention') && !elsewhere.includes('QuantizeLinear'),
      'no provider gets an operator that it may lack',
    );
    assert.deepEqual(notes, []);
  });

  it('is nothing where the changed net is refused, which is told', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const notes: string[] = [];
    const open = (graph: OnnxGraph | undefined): Promise<string> =>
      graph ? Promise.reject(new EngineError('EBADMODEL', 'no such kernel')) : Promise.resolve('as it is');
    assert.equal(await openChanged(wish, unet, undefined, open, notes), 'as it is');
    assert.match(notes.join(), /runs as it was exported.*no such kernel/);
  });

  it('leaves the error of a net that cannot be opened at all', async () => {
    const { unet } = (await findFiles(modelFolder('starter'))).nets;
    assert.ok(unet);
    const refuse = (graph: OnnxGraph | undefined): Promise<never> =>
      Promise.reject(new EngineError('EBADMODEL', graph ? 'changed' : 'as it is'));
    await assert.rejects(openChanged(wish, unet, undefined, refuse, []), { code: 'EBADMODEL', message: 'as it is' });
  });
});
