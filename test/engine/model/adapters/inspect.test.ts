import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspectModel } from '../../../../engine/model/folder';
import { PATHS } from '../../../lib/control-cases';
import { changedModel, removeModelFolders } from '../../../lib/model-folder';
import { REFERENCE_MODEL } from '../../../lib/reference';

describe('a look at adapters', () => {
  after(removeModelFolders);

  it('says what each is, and what is wrong with one, without opening a net', async () => {
    const { usable, adapters } = await inspectModel(REFERENCE_MODEL, {
      depth: PATHS.depth,
      nothing: '/nowhere/net.onnx',
      self: join(REFERENCE_MODEL, 'unet'),
      image: PATHS.depth,
    });
    assert.equal(usable, true, 'an adapter leaves the model usable');
    assert.deepEqual(adapters[0], { name: 'depth', path: PATHS.depth, isOwn: false, kind: 'controlnet', picture: 'frame' });
    assert.match(String(adapters[1].problem), /"nothing".*\/nowhere\/net\.onnx/);
    assert.match(String(adapters[2].problem), /"self".*of no known kind/);
    assert.match(String(adapters[3].problem), /not image or mask.*"image"/);
    assert.deepEqual((await inspectModel(REFERENCE_MODEL)).adapters, []);
  });

  it("finds those in the model's own folder, and says why one cannot be used with it", async () => {
    const net = await readFile(join(PATHS.depth, 'model.onnx'));
    const folder = await changedModel({ 'controlnet/shape/model.onnx': net, 'controlnet/torn/model.onnx': net.subarray(0, 500) });
    const { usable, adapters } = await inspectModel(folder);
    assert.equal(usable, true);
    assert.deepEqual(adapters[0], {
      name: 'shape',
      path: join(folder, 'controlnet/shape'),
      isOwn: true,
      kind: 'controlnet',
      picture: 'frame',
    });
    assert.deepEqual([adapters[1].name, adapters[1].isOwn], ['torn', true]);
    assert.match(String(adapters[1].problem), /torn/);
  });
});
