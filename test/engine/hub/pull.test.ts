import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readManifest } from '../../../engine/hub/manifest';
import type { PullProgress } from '../../../engine/hub/progress';
import { inspectModel } from '../../../engine/model/folder';
import { COMMIT, sha256 } from '../../lib/hub-server';
import { setPullStage, unwanted, WEIGHTS, weights } from '../../lib/pull-stage';
import { until } from '../../lib/until';

describe('pull: a model from a repository', () => {
  const stage = setPullStage();

  it('brings every file that the engine uses, unchanged, and no other', async () => {
    const progress: PullProgress[] = [];
    const result = await stage.pull({ onProgress: (now) => progress.push(now) });

    const wanted = [...stage.hub.files.keys()].filter((path) => !unwanted.includes(path));
    for (const path of wanted) assert.equal(await stage.contentOf(path), sha256(stage.hub.files.get(path)!), path);
    for (const path of unwanted) assert.ok(!existsSync(join(stage.target, path)), path);
    assert.deepEqual(await stage.leftovers(), []);
    assert.deepEqual({ folder: result.folder, commit: result.commit }, { folder: stage.target, commit: COMMIT });
    assert.equal(
      result.bytes,
      wanted.reduce((sum, path) => sum + stage.hub.files.get(path)!.length, 0),
    );
    assert.equal(result.downloadedBytes, result.bytes);
    assert.equal((await inspectModel(stage.target)).usable, true);

    const last = progress.at(-1)!;
    assert.deepEqual([last.phase, last.doneBytes, last.totalBytes, last.remainingMs], ['downloading', result.bytes, result.bytes, 0]);
    assert.ok(last.bytesPerSecond > 0);
    assert.ok(
      progress.every(({ doneBytes }, i) => i === 0 || doneBytes >= progress[i - 1].doneBytes),
      'it never goes back',
    );
  });

  it('believes a manifest only what a pull may have written', async () => {
    await stage.pull();
    const path = join(stage.target, '.pulled.json');
    const sound = JSON.parse(await readFile(path, 'utf8')) as { files: object[] };
    assert.ok(await readManifest(stage.target));
    for (const change of [
      { repository: '../x' },
      { commit: '$(x)' },
      { files: [{ path: '../../etc/passwd', bytes: 1 }] },
      { files: [null] },
      { files: [{ path: 5, bytes: 1 }] },
      { files: [{ path: 'a', bytes: 'x' }] },
    ]) {
      await writeFile(path, JSON.stringify({ ...sound, ...change }));
      assert.equal(await readManifest(stage.target), undefined, JSON.stringify(change));
    }
  });

  it('says so when a repository has no ONNX net, and what to do with weights for PyTorch', async () => {
    for (const path of [...stage.hub.files.keys()]) if (path.endsWith('.onnx')) stage.hub.files.delete(path);
    await assert.rejects(stage.pull(), { code: 'ENOMODEL', message: /no ONNX net.*optimum-cli export onnx --model owner\/tiny-model/ });
  });

  it('takes nothing whose path leads out of the folder', async () => {
    for (const path of [
      '../evil.onnx',
      'unet/../../evil',
      'unet/..\\..\\evil',
      '/unet/model.onnx',
      'unet/a/model.onnx_data',
      '.git/config',
      'unet/.hidden',
    ])
      stage.hub.files.set(path, Buffer.from('evil'));
    await stage.pull();
    const all = await readdir(stage.folder, { recursive: true });
    assert.deepEqual(
      all.filter((name) => /evil|hidden|\.git|unet\/a/.test(name)),
      [],
    );
  });

  it('takes from the cache of Hugging Face what is right there, and only that', async () => {
    const cache = join(stage.folder, 'hf/hub/models--owner--tiny-model');
    const put = async (path: string, content: Buffer): Promise<void> => {
      await mkdir(dirname(join(cache, path)), { recursive: true });
      await writeFile(join(cache, path), content);
    };
    await put(`blobs/${sha256(weights)}`, weights);
    // The same length, another content.
    const torn = Buffer.from(stage.hub.files.get('vae_decoder/model.onnx')!).fill(0, 100);
    await put(`blobs/${sha256(stage.hub.files.get('vae_decoder/model.onnx')!)}`, torn);
    await put('blobs/any', stage.hub.files.get('vae_encoder/model.onnx')!);
    await mkdir(join(cache, 'snapshots', COMMIT, 'vae_encoder'), { recursive: true });
    await symlink('../../../blobs/any', join(cache, 'snapshots', COMMIT, 'vae_encoder/model.onnx'));

    const result = await stage.pull();
    assert.deepEqual(stage.hub.rangesOf(WEIGHTS), []);
    assert.deepEqual(stage.hub.rangesOf('vae_encoder/model.onnx'), []);
    assert.equal(stage.hub.rangesOf('vae_decoder/model.onnx').length, 1);
    for (const path of [WEIGHTS, 'vae_encoder/model.onnx', 'vae_decoder/model.onnx']) {
      assert.equal(await stage.contentOf(path), sha256(stage.hub.files.get(path)!), path);
      assert.ok((await stat(join(stage.target, path))).isFile());
    }
    assert.equal(result.downloadedBytes, result.bytes - weights.length - stage.hub.files.get('vae_encoder/model.onnx')!.length);
  });

  it('is done by one at a time', async () => {
    stage.hub.faults.set(WEIGHTS, { bytesPerSecond: 5_000_000 });
    const first = stage.pull();
    await until(() => stage.hub.rangesOf(WEIGHTS).length > 0);
    await assert.rejects(stage.pull(), { code: 'EBADPARAM', message: new RegExp(`process ${process.pid} is working`) });
    await first;
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });
});
