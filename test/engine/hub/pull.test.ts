import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { readManifest } from '../../../engine/hub/manifest';
import type { PullProgress } from '../../../engine/hub/progress';
import { pull, type PullOptions } from '../../../engine/hub/pull';
import { hubSettings } from '../../../engine/hub/settings';
import { inspectModel } from '../../../engine/model/folder';
import { COMMIT, type Fault, filesIn, HubServer, sha256 } from '../../lib/hub-server';
import { REFERENCE_MODEL } from '../../lib/reference';
import { until } from '../../lib/until';

const REPOSITORY = 'owner/tiny-model';
const WEIGHTS = 'unet/model.onnx_data';
const weights = randomBytes(3_000_000);
const unwanted = [
  'unet/diffusion_pytorch_model.safetensors',
  'unet/model_fp16.onnx',
  'unet/model_fp16.onnx_data',
  'safety_checker/model.onnx',
  'pytorch_model.bin',
  'v1.ckpt',
];

describe('pull: a model from a repository', () => {
  let hub: HubServer;
  let folder: string;
  let target: string;

  /** A pull into `target` that asks again soon; a server that is silent for long is this machine, busy with something else. */
  const pulled = (options: Partial<PullOptions> = {}): ReturnType<typeof pull> =>
    pull({
      repository: REPOSITORY,
      to: target,
      retryPolicy: { silenceMs: 20_000, tries: 3, pauseMs: 5 },
      ...options,
      settings:
        options.settings ??
        hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: join(folder, 'hf'), ...(hub.token && { HF_TOKEN: hub.token }) }),
    });
  const contentOf = async (path: string): Promise<string> => sha256(await readFile(join(target, path)));
  /** Everything beside the target that a pull may have left, without the leading folder. */
  const leftovers = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.startsWith('.'));

  /** Of the weights, while they arrive. */
  const part = (): string => join(folder, '.model.partial', `${WEIGHTS}.${sha256(weights).slice(0, 12)}.part`);
  const hasArrived = (from: number): boolean => existsSync(part()) && statSync(part()).size === from;
  /** Cuts the weights off when their first megabyte and all other files are here. */
  async function cutOff(): Promise<void> {
    const others = [...hub.files.keys()].filter((path) => !unwanted.includes(path) && path !== WEIGHTS);
    const areHere = (): boolean => others.every((path) => existsSync(join(folder, '.model.partial', `commit-${COMMIT}`, path)));
    hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, cutWhen: (from) => hasArrived(from) && areHere() });
    await assert.rejects(pulled({ retryPolicy: { tries: 1 } }), { code: 'ENETWORK' });
  }

  beforeEach(async () => {
    const files = filesIn(REFERENCE_MODEL);
    files.set(WEIGHTS, weights).set('README.md', Buffer.from('a model card'));
    for (const path of unwanted) files.set(path, randomBytes(1000));
    hub = await HubServer.start(REPOSITORY, files);
    folder = await mkdtemp(join(tmpdir(), 'pull-'));
    target = join(folder, 'model');
  });

  afterEach(async () => {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('brings every file that the engine uses, unchanged, and no other', async () => {
    const progress: PullProgress[] = [];
    const result = await pulled({ onProgress: (now) => progress.push(now) });

    const wanted = [...hub.files.keys()].filter((path) => !unwanted.includes(path));
    for (const path of wanted) assert.equal(await contentOf(path), sha256(hub.files.get(path)!), path);
    for (const path of unwanted) assert.ok(!existsSync(join(target, path)), path);
    assert.deepEqual(await leftovers(), []);
    assert.deepEqual({ folder: result.folder, commit: result.commit }, { folder: target, commit: COMMIT });
    assert.equal(
      result.bytes,
      wanted.reduce((sum, path) => sum + hub.files.get(path)!.length, 0),
    );
    assert.equal(result.downloadedBytes, result.bytes);
    assert.equal((await inspectModel(target)).usable, true);

    const last = progress.at(-1)!;
    assert.deepEqual([last.phase, last.doneBytes, last.totalBytes, last.remainingMs], ['downloading', result.bytes, result.bytes, 0]);
    assert.ok(last.bytesPerSecond > 0);
    assert.ok(
      progress.every(({ doneBytes }, i) => i === 0 || doneBytes >= progress[i - 1].doneBytes),
      'it never goes back',
    );
  });

  it('goes on where the connection was cut', async () => {
    hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, cutWhen: hasArrived, times: 2 });
    await pulled();
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(hub.rangesOf(WEIGHTS), [undefined, 'bytes=1000000-', 'bytes=2000000-']);
  });

  it('goes on where an earlier pull ended, which left nothing that looks like a model', async () => {
    hub.faults.set(WEIGHTS, { stallAfter: 1_000_000 });
    const cancel = new AbortController();
    const first = assert.rejects(pulled({ signal: cancel.signal }), { code: 'ECLOSED' });
    await until(() => hasArrived(1_000_000));
    cancel.abort();
    await first;
    assert.ok(!existsSync(target));

    hub.faults.clear();
    hub.seen.length = 0;
    const result = await pulled();
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(hub.rangesOf(WEIGHTS), ['bytes=1000000-']);
    assert.ok(result.downloadedBytes < result.bytes);
    assert.deepEqual(await leftovers(), []);
  });

  it('never mixes revisions: what was cut off at one goes on at another with nothing but equal contents', async () => {
    await cutOff();
    // A file of the same length has another content.
    const first = hub.files.get('vae_encoder/model.onnx')!;
    const other = Buffer.from(first);
    other[other.length - 1] ^= 1;
    hub.files.set('vae_encoder/model.onnx', other);
    hub.commit = 'b'.repeat(40);
    hub.faults.clear();
    hub.seen.length = 0;
    const result = await pulled();
    assert.equal(result.commit, hub.commit);
    assert.equal(await contentOf('vae_encoder/model.onnx'), sha256(other));
    assert.deepEqual(hub.rangesOf(WEIGHTS), ['bytes=1000000-'], 'equal contents are not brought twice');
    assert.deepEqual(hub.rangesOf('unet/model.onnx'), []);
    const manifest = JSON.parse(await readFile(join(target, '.pulled.json'), 'utf8')) as {
      files: { path: string; checksum: { digest: string } }[];
    };
    for (const { path, checksum } of manifest.files.filter((file) => file.path.endsWith('.onnx')))
      assert.equal(await contentOf(path), checksum.digest, path);
    assert.deepEqual(await leftovers(), []);
  });

  it('takes no file of an earlier try by its length alone', async () => {
    await cutOff();
    const staged = join(folder, '.model.partial', `commit-${COMMIT}`, 'unet/model.onnx');
    const content = await readFile(staged);
    content[100] ^= 1;
    await writeFile(staged, content);
    hub.faults.clear();
    await pulled();
    assert.equal(await contentOf('unet/model.onnx'), sha256(hub.files.get('unet/model.onnx')!));
  });

  it('believes a manifest only what a pull may have written', async () => {
    await pulled();
    const path = join(target, '.pulled.json');
    const sound = JSON.parse(await readFile(path, 'utf8')) as { files: object[] };
    assert.ok(await readManifest(target));
    for (const change of [
      { repository: '../x' },
      { commit: '$(x)' },
      { files: [{ path: '../../etc/passwd', bytes: 1 }] },
      { files: [null] },
      { files: [{ path: 5, bytes: 1 }] },
      { files: [{ path: 'a', bytes: 'x' }] },
    ]) {
      await writeFile(path, JSON.stringify({ ...sound, ...change }));
      assert.equal(await readManifest(target), undefined, JSON.stringify(change));
    }
  });

  it('begins again where a server cannot go on in the middle', async () => {
    await cutOff();
    hub.faults.set(WEIGHTS, { noRange: true });
    await pulled();
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });

  it('gives up on a server that breaks off at the same place each time', async () => {
    hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, noRange: true });
    await assert.rejects(pulled(), { code: 'ENETWORK', message: /unet\/model\.onnx_data broke off|127.0.0.1:\d+ broke off: / });
    // How much of the last bytes arrives when a connection breaks is up to the system, and a try that came further does not count.
    const tries = hub.rangesOf(WEIGHTS).length;
    assert.ok(tries >= 3 && tries <= 8, `${tries} tries`);
    assert.ok(!existsSync(target));
  });

  it('asks again when a server falls silent, says it is busy or breaks one answer', async () => {
    for (const fault of [
      { stallAfter: 10, times: 1 },
      { status: 503, times: 2 },
      { status: 429, headers: { 'retry-after': '0' }, times: 1 },
      { wrongByte: true, times: 1 },
    ]) {
      await rm(target, { recursive: true, force: true });
      hub.faults.set(WEIGHTS, fault);
      await pulled({ retryPolicy: { silenceMs: 500, tries: 10, pauseMs: 5 } });
      assert.equal(await contentOf(WEIGHTS), sha256(weights), JSON.stringify(fault));
    }
  });

  it('refuses wrong content, small or large, and leaves no folder', async () => {
    const wrong: [string, Fault, RegExp][] = [
      [WEIGHTS, { wrongByte: true }, /^unet\/model\.onnx_data does not have the content.*twice/],
      [WEIGHTS, { extraBytes: 5 }, /is longer than the 3000000 bytes/],
      ['unet/config.json', { wrongByte: true }, /^unet\/config\.json does not have the content.*twice/],
    ];
    for (const [path, fault, message] of wrong) {
      hub.faults.set(path, fault);
      await assert.rejects(pulled(), { code: 'EINTEGRITY', message });
      assert.ok(!existsSync(target));
      hub.faults.clear();
      await rm(join(folder, '.model.partial'), { recursive: true });
    }
    await pulled();
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });

  it('notices that what an earlier try left was changed since', async () => {
    await cutOff();
    await writeFile(part(), randomBytes(1_000_000));
    hub.faults.clear();
    await pulled();
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });

  it('tells what was wrong with the name, the login or the licence', async () => {
    await assert.rejects(pulled({ repository: 'owner/other' }), {
      code: 'EDENIED',
      message: /401 for owner\/other.*does not exist, or is private/,
    });
    await assert.rejects(pulled({ revision: 'v9' }), {
      code: 'ENOMODEL',
      message: /404 for owner\/tiny-model at v9.*check the name and the revision/,
    });
    hub.gated = true;
    await assert.rejects(pulled(), { code: 'EDENIED', message: /403.*accept its licence/ });
    hub.gated = false;
    hub.token = 'right';
    const settings = hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: folder, HF_TOKEN: 'wrong' });
    await assert.rejects(pulled({ settings }), { code: 'EDENIED', message: /HF_TOKEN is not accepted/ });
    for (const repository of ['model', '../up', 'a/b/c', 'a/..', '-a/b', 'https://huggingface.co/a/b', 'a/b c']) {
      await assert.rejects(pulled({ repository }), { code: 'EBADPARAM', message: /OWNER\/NAME/ }, repository);
    }
    await assert.rejects(pulled({ revision: '../main' }), { code: 'EBADPARAM' });
    assert.ok(!existsSync(target));
  });

  it('sends the token to the hub, and to no server that the hub names', async () => {
    hub.token = 'secret';
    await pulled();
    assert.ok(hub.seen.every(({ server, authorization }) => authorization === (server === 'hub' ? 'Bearer secret' : undefined)));
    assert.ok(hub.seen.some(({ server }) => server === 'files'));
  });

  it('asks a mirror below its own path', async () => {
    hub.prefix = '/mirror/models';
    await pulled({ settings: hubSettings({ HF_ENDPOINT: `${hub.address}/mirror/models/`, HF_HOME: folder }) });
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });

  it('asks for a new address when the one of a file does not hold any more', async () => {
    hub.faults.set(WEIGHTS, { status: 403, times: 1 });
    const reasons: string[] = [];
    await pulled({ onRetry: (reason) => reasons.push(reason) });
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
    assert.deepEqual(
      reasons.map((reason) => reason.replace(/:\d+/, '')),
      ['127.0.0.1 answers 403 for unet/model.onnx_data'],
    );
    assert.equal(hub.seen.filter(({ server, path }) => server === 'hub' && path.endsWith(WEIGHTS)).length, 2);
  });

  it('follows no redirect that is not https', async () => {
    hub.faults.set(WEIGHTS, { redirectTo: 'http://example.com/weights' });
    await assert.rejects(pulled(), { code: 'ENETWORK', message: /example\.com.*not https/ });
  });

  it('says so when nobody answers', async () => {
    const settings = hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: folder });
    await hub.stop();
    await assert.rejects(pulled({ settings }), {
      code: 'ENETWORK',
      message: /^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED.*given up after 3 tries/,
    });
    hub = await HubServer.start(REPOSITORY, new Map());
  });

  it('says so when a repository has no ONNX net, and what to do with weights for PyTorch', async () => {
    for (const path of [...hub.files.keys()]) if (path.endsWith('.onnx')) hub.files.delete(path);
    await assert.rejects(pulled(), { code: 'ENOMODEL', message: /no ONNX net.*optimum-cli export onnx --model owner\/tiny-model/ });
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
      hub.files.set(path, Buffer.from('evil'));
    await pulled();
    const all = await readdir(folder, { recursive: true });
    assert.deepEqual(
      all.filter((name) => /evil|hidden|\.git|unet\/a/.test(name)),
      [],
    );
  });

  it('checks a folder that is there, and repairs only what is wrong', async () => {
    await pulled();
    hub.seen.length = 0;
    assert.equal((await pulled()).downloadedBytes, 0);
    assert.equal(hub.seen.filter(({ path }) => path.includes('/resolve/')).length, 0);

    await truncate(join(target, WEIGHTS), 100);
    assert.equal((await pulled()).downloadedBytes, weights.length);
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });

  it('renews the folder when the repository has changed, and downloads only what did', async () => {
    await pulled();
    const config = Buffer.from(JSON.stringify({ ...JSON.parse(hub.files.get('unet/config.json')!.toString()), renewed: true }));
    hub.files.set('unet/config.json', config);
    hub.files.delete('README.md');
    hub.commit = 'f'.repeat(40);
    const result = await pulled();
    assert.deepEqual([result.commit, result.downloadedBytes], [hub.commit, config.length]);
    assert.equal(await contentOf('unet/config.json'), sha256(config));
    assert.ok(!existsSync(join(target, 'README.md')));
    assert.deepEqual(await leftovers(), []);
  });

  it('leaves what was pulled into the folder on its own, when it renews the rest', async () => {
    await pulled();
    await pulled({ to: join(target, 'autoencoder') });
    await mkdir(join(target, 'notes'));
    hub.commit = 'f'.repeat(40);
    await pulled();
    assert.deepEqual(
      [(await readManifest(target))?.commit, (await readManifest(join(target, 'autoencoder')))?.commit],
      [hub.commit, COMMIT],
    );
    assert.ok(existsSync(join(target, 'autoencoder', 'vae_decoder', 'model.onnx')));
    assert.ok(!existsSync(join(target, 'notes')));
    const { usable, nets } = await inspectModel(target);
    assert.ok(usable);
    assert.equal(nets.find(({ name }) => name === 'vae_decoder')?.file, join(target, 'autoencoder', 'vae_decoder', 'model.onnx'));
  });

  it('brings that back where its process was ended while it renewed the rest', async () => {
    const old = join(dirname(target), `.${basename(target)}.old`);
    const autoencoder = join('autoencoder', 'vae_decoder', 'model.onnx');
    await pulled();
    await pulled({ to: join(target, 'autoencoder') });
    // Before the new folder took the place of the old one, and after it.
    await rename(target, old);
    await pulled();
    assert.deepEqual([existsSync(join(target, autoencoder)), existsSync(old)], [true, false]);
    await mkdir(old);
    await rename(join(target, 'autoencoder'), join(old, 'autoencoder'));
    await pulled();
    assert.deepEqual([existsSync(join(target, autoencoder)), existsSync(old)], [true, false]);
  });

  it('touches no folder that it did not make', async () => {
    await mkdir(target);
    await writeFile(join(target, 'mine.txt'), 'mine');
    await assert.rejects(pulled(), { code: 'EBADPARAM', message: /contains other files.*--to/ });
    assert.deepEqual(await readdir(target), ['mine.txt']);
    assert.equal(hub.seen.length, 0);
  });

  it('takes from the cache of Hugging Face what is right there, and only that', async () => {
    const cache = join(folder, 'hf/hub/models--owner--tiny-model');
    const put = async (path: string, content: Buffer): Promise<void> => {
      await mkdir(dirname(join(cache, path)), { recursive: true });
      await writeFile(join(cache, path), content);
    };
    await put(`blobs/${sha256(weights)}`, weights);
    // The same length, another content.
    const torn = Buffer.from(hub.files.get('vae_decoder/model.onnx')!).fill(0, 100);
    await put(`blobs/${sha256(hub.files.get('vae_decoder/model.onnx')!)}`, torn);
    await put('blobs/any', hub.files.get('vae_encoder/model.onnx')!);
    await mkdir(join(cache, 'snapshots', COMMIT, 'vae_encoder'), { recursive: true });
    await symlink('../../../blobs/any', join(cache, 'snapshots', COMMIT, 'vae_encoder/model.onnx'));

    const result = await pulled();
    assert.deepEqual(hub.rangesOf(WEIGHTS), []);
    assert.deepEqual(hub.rangesOf('vae_encoder/model.onnx'), []);
    assert.equal(hub.rangesOf('vae_decoder/model.onnx').length, 1);
    for (const path of [WEIGHTS, 'vae_encoder/model.onnx', 'vae_decoder/model.onnx']) {
      assert.equal(await contentOf(path), sha256(hub.files.get(path)!), path);
      assert.ok((await stat(join(target, path))).isFile());
    }
    assert.equal(result.downloadedBytes, result.bytes - weights.length - hub.files.get('vae_encoder/model.onnx')!.length);
  });

  it('is done by one at a time', async () => {
    hub.faults.set(WEIGHTS, { bytesPerSecond: 5_000_000 });
    const first = pulled();
    await until(() => hub.rangesOf(WEIGHTS).length > 0);
    await assert.rejects(pulled(), { code: 'EBADPARAM', message: new RegExp(`process ${process.pid} is working`) });
    await first;
    assert.equal(await contentOf(WEIGHTS), sha256(weights));
  });
});
