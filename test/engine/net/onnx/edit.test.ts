import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timestepPerRow } from '../../../../engine/net/onnx/edit';
import { readOnnxGraph, type OnnxGraph } from '../../../../engine/net/onnx/graph';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { tinyUnet } from '../../../lib/onnx-maker';

describe('one timestep a row, made of one for all rows', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'edit-'))));
  after(() => rm(folder, { recursive: true }));

  const graphOf = async (bytes: Buffer): Promise<OnnxGraph> => {
    const path = join(folder, 'model.onnx');
    await writeFile(path, bytes);
    return readOnnxGraph(path);
  };

  for (const timestepShape of [[], [1]]) {
    for (const timestepType of ['float32', 'float16', 'int64'] as const) {
      it(`${timestepType} of shape [${timestepShape.join()}]`, async () => {
        const graph = timestepPerRow(await graphOf(tinyUnet({ timestepShape, timestepType, expand: true })), 'timestep', 'batch');
        assert.ok(graph);
        const net = await OnnxNet.load(graph, { executionProvider: 'cpu' });
        assert.deepEqual(net.inputs[1], { name: 'timestep', type: timestepType, shape: ['batch'] });
        await net.close();
      });
    }
  }

  it('is not promised where the graph does something else with it', async () => {
    assert.equal(timestepPerRow(await graphOf(tinyUnet({ timestepShape: [], timestepType: 'float32' })), 'timestep', 'batch'), undefined);
    assert.equal(timestepPerRow(await graphOf(tinyUnet({ timestepShape: [], expand: true })), 'nothing', 'batch'), undefined);
  });
});
