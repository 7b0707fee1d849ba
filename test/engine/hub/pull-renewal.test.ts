import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readManifest } from '../../../engine/hub/manifest';
import { inspectModel } from '../../../engine/model/folder';
import { COMMIT, sha256 } from '../../lib/hub-server';
import { setPullStage, WEIGHTS, weights } from '../../lib/pull-stage';

describe('pull: a folder that is there', () => {
  const stage = setPullStage();

  it('checks a folder that is there, and repairs only what is wrong', async () => {
    await stage.pull();
    stage.hub.seen.length = 0;
    assert.equal((await stage.pull()).downloadedBytes, 0);
    assert.equal(stage.hub.seen.filter(({ path }) => path.includes('/resolve/')).length, 0);

    await truncate(join(stage.target, WEIGHTS), 100);
    assert.equal((await stage.pull()).downloadedBytes, weights.length);
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });

  it('renews the folder when the repository has changed, and downloads only what did', async () => {
    await stage.pull();
    const config = Buffer.from(JSON.stringify({ ...JSON.parse(stage.hub.files.get('unet/config.json')!.toString()), renewed: true }));
    stage.hub.files.set('unet/config.json', config);
    stage.hub.files.delete('README.md');
    stage.hub.commit = 'f'.repeat(40);
    const result = await stage.pull();
    assert.deepEqual([result.commit, result.downloadedBytes], [stage.hub.commit, config.length]);
    assert.equal(await stage.contentOf('unet/config.json'), sha256(config));
    assert.ok(!existsSync(join(stage.target, 'README.md')));
    assert.deepEqual(await stage.leftovers(), []);
  });

  it('leaves what was pulled into the folder on its own, when it renews the rest', async () => {
    await stage.pull();
    await stage.pull({ to: join(stage.target, 'autoencoder') });
    await mkdir(join(stage.target, 'notes'));
    stage.hub.commit = 'f'.repeat(40);
    await stage.pull();
    assert.deepEqual(
      [(await readManifest(stage.target))?.commit, (await readManifest(join(stage.target, 'autoencoder')))?.commit],
      [stage.hub.commit, COMMIT],
    );
    assert.ok(existsSync(join(stage.target, 'autoencoder', 'vae_decoder', 'model.onnx')));
    assert.ok(!existsSync(join(stage.target, 'notes')));
    const { usable, nets } = await inspectModel(stage.target);
    assert.ok(usable);
    assert.equal(nets.find(({ name }) => name === 'vae_decoder')?.file, join(stage.target, 'autoencoder', 'vae_decoder', 'model.onnx'));
  });

  it('brings that back where its process was ended while it renewed the rest', async () => {
    const old = join(dirname(stage.target), `.${basename(stage.target)}.old`);
    const autoencoder = join('autoencoder', 'vae_decoder', 'model.onnx');
    await stage.pull();
    await stage.pull({ to: join(stage.target, 'autoencoder') });
    // Before the new folder took the place of the old one, and after it.
    await rename(stage.target, old);
    await stage.pull();
    assert.deepEqual([existsSync(join(stage.target, autoencoder)), existsSync(old)], [true, false]);
    await mkdir(old);
    await rename(join(stage.target, 'autoencoder'), join(old, 'autoencoder'));
    await stage.pull();
    assert.deepEqual([existsSync(join(stage.target, autoencoder)), existsSync(old)], [true, false]);
  });

  it('touches no folder that it did not make', async () => {
    await mkdir(stage.target);
    await writeFile(join(stage.target, 'mine.txt'), 'mine');
    await assert.rejects(stage.pull(), { code: 'EBADPARAM', message: /contains other files.*--to/ });
    assert.deepEqual(await readdir(stage.target), ['mine.txt']);
    assert.equal(stage.hub.seen.length, 0);
  });
});
