import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMMIT, type Fault, sha256 } from '../../lib/hub-server';
import { setPullStage, WEIGHTS, weights } from '../../lib/pull-stage';
import { until } from '../../lib/until';

describe('pull: a model that arrives in pieces', () => {
  const stage = setPullStage();

  it('goes on where the connection was cut', async () => {
    stage.hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, cutWhen: (from) => stage.hasArrived(from), times: 2 });
    await stage.pull();
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(stage.hub.rangesOf(WEIGHTS), [undefined, 'bytes=1000000-', 'bytes=2000000-']);
  });

  it('goes on where an earlier pull ended, which left nothing that looks like a model', async () => {
    stage.hub.faults.set(WEIGHTS, { stallAfter: 1_000_000 });
    const cancel = new AbortController();
    const first = assert.rejects(stage.pull({ signal: cancel.signal }), { code: 'ECLOSED' });
    await until(() => stage.hasArrived(1_000_000));
    cancel.abort();
    await first;
    assert.ok(!existsSync(stage.target));

    stage.hub.faults.clear();
    stage.hub.seen.length = 0;
    const result = await stage.pull();
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(stage.hub.rangesOf(WEIGHTS), ['bytes=1000000-']);
    assert.ok(result.downloadedBytes < result.bytes);
    assert.deepEqual(await stage.leftovers(), []);
  });

  it('never mixes revisions: what was cut off at one goes on at another with nothing but equal contents', async () => {
    await stage.cutOff();
    // A file of the same length has another content.
    const first = stage.hub.files.get('vae_encoder/model.onnx')!;
    const other = Buffer.from(first);
    other[other.length - 1] ^= 1;
    stage.hub.files.set('vae_encoder/model.onnx', other);
    stage.hub.commit = 'b'.repeat(40);
    stage.hub.faults.clear();
    stage.hub.seen.length = 0;
    const result = await stage.pull();
    assert.equal(result.commit, stage.hub.commit);
    assert.equal(await stage.contentOf('vae_encoder/model.onnx'), sha256(other));
    assert.deepEqual(stage.hub.rangesOf(WEIGHTS), ['bytes=1000000-'], 'equal contents are not brought twice');
    assert.deepEqual(stage.hub.rangesOf('unet/model.onnx'), []);
    const manifest = JSON.parse(await readFile(join(stage.target, '.pulled.json'), 'utf8')) as {
      files: { path: string; checksum: { digest: string } }[];
    };
    for (const { path, checksum } of manifest.files.filter((file) => file.path.endsWith('.onnx')))
      assert.equal(await stage.contentOf(path), checksum.digest, path);
    assert.deepEqual(await stage.leftovers(), []);
  });

  it('takes no file of an earlier try by its length alone', async () => {
    await stage.cutOff();
    const staged = join(stage.folder, '.model.partial', `commit-${COMMIT}`, 'unet/model.onnx');
    const content = await readFile(staged);
    content[100] ^= 1;
    await writeFile(staged, content);
    stage.hub.faults.clear();
    await stage.pull();
    assert.equal(await stage.contentOf('unet/model.onnx'), sha256(stage.hub.files.get('unet/model.onnx')!));
  });

  it('begins again where a server cannot go on in the middle', async () => {
    await stage.cutOff();
    stage.hub.faults.set(WEIGHTS, { noRange: true });
    await stage.pull();
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });

  it('gives up on a server that breaks off at the same place each time', async () => {
    stage.hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, noRange: true });
    await assert.rejects(stage.pull(), { code: 'ENETWORK', message: /unet\/model\.onnx_data broke off|127.0.0.1:\d+ broke off: / });
    // How much of the last bytes arrives when a connection breaks is up to the system, and a try that came further does not count.
    const tries = stage.hub.rangesOf(WEIGHTS).length;
    assert.ok(tries >= 3 && tries <= 8, `${tries} tries`);
    assert.ok(!existsSync(stage.target));
  });

  it('asks again when a server falls silent, says it is busy or breaks one answer', async () => {
    for (const fault of [
      { stallAfter: 10, times: 1 },
      { status: 503, times: 2 },
      { status: 429, headers: { 'retry-after': '0' }, times: 1 },
      { wrongByte: true, times: 1 },
    ]) {
      await rm(stage.target, { recursive: true, force: true });
      stage.hub.faults.set(WEIGHTS, fault);
      await stage.pull({ retryPolicy: { silenceMs: 500, tries: 10, pauseMs: 5 } });
      assert.equal(await stage.contentOf(WEIGHTS), sha256(weights), JSON.stringify(fault));
    }
  });

  it('refuses wrong content, small or large, and leaves no folder', async () => {
    const wrong: [string, Fault, RegExp][] = [
      [WEIGHTS, { wrongByte: true }, /^unet\/model\.onnx_data does not have the content.*twice/],
      [WEIGHTS, { extraBytes: 5 }, /is longer than the 3000000 bytes/],
      ['unet/config.json', { wrongByte: true }, /^unet\/config\.json does not have the content.*twice/],
    ];
    for (const [path, fault, message] of wrong) {
      stage.hub.faults.set(path, fault);
      await assert.rejects(stage.pull(), { code: 'EINTEGRITY', message });
      assert.ok(!existsSync(stage.target));
      stage.hub.faults.clear();
      await rm(join(stage.folder, '.model.partial'), { recursive: true });
    }
    await stage.pull();
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });

  it('notices that what an earlier try left was changed since', async () => {
    await stage.cutOff();
    await writeFile(stage.part, randomBytes(1_000_000));
    stage.hub.faults.clear();
    await stage.pull();
    assert.equal(await stage.contentOf(WEIGHTS), sha256(weights));
  });
});
