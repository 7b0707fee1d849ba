import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { filesIn, HubServer, sha256 } from '../lib/hub-server';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { node, onnxModel, value } from '../lib/onnx-maker';
import { MAIN, Program } from '../lib/program';
import { REFERENCE_MODEL, ROOT } from '../lib/reference';
import type { ProviderReport } from '../../engine/net/ort/provider-reports';
import type { ModelReport } from '../../engine/model/folder';
import { until } from '../lib/until';

const REPOSITORY = 'owner/tiny-model';
const WEIGHTS = 'unet/model.onnx_data';
const weights = randomBytes(3_000_000);

describe('streamdiffusion models', () => {
  let hub: HubServer;
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const installed = (path = ''): string => join(folder, 'models', REPOSITORY, path);

  before(async () => {
    hub = await HubServer.start(REPOSITORY, filesIn(REFERENCE_MODEL).set(WEIGHTS, weights));
  });

  beforeEach(async () => {
    hub.faults.clear();
    hub.seen.length = 0;
    folder = await mkdtemp(join(tmpdir(), 'models-'));
    env = { HF_ENDPOINT: hub.address, HF_HOME: folder, STREAMDIFFUSION_MODELS: join(folder, 'models'), HF_TOKEN: '' };
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await removeModelFolders();
  });

  after(() => hub.stop());

  describe('pull', () => {
    it('downloads into the folder of models, says how far it is, and where the model lies', async () => {
      hub.faults.set(WEIGHTS, { bytesPerSecond: 3_000_000 });
      const { code, stdout, stderr } = await Program.run(['models', 'pull', REPOSITORY], env);
      assert.equal(stderr, '');
      assert.equal(code, 0);
      assert.equal(sha256(await readFile(installed(WEIGHTS))), sha256(weights));
      const lines = stdout.trimEnd().split('\n');
      assert.ok(lines.length >= 5 && lines.length < 20, stdout);
      assert.match(stdout, /^ [ \d]\d% [\d.]+ [kM]B of [\d.]+ MB {2}[\d.]+ [kM]B\/s {2}\d+ s left$/m);
      assert.match(stdout, /^100% /m);
      assert.match(lines.at(-2)!, /^owner\/tiny-model at 01234567: .* downloaded, every file checked$/);
      assert.equal(lines.at(-1), installed());
    });

    it('brings the autoencoder of another repository along, in whose place it is used', async () => {
      const { code, stdout } = await Program.run(['models', 'pull', REPOSITORY, '--autoencoder', REPOSITORY], env);
      assert.equal(code, 0, stdout);
      assert.equal(stdout.trimEnd().split('\n').at(-1), join(installed(), 'autoencoder'));
      const report = JSON.parse((await Program.run(['models', 'check', REPOSITORY, '--json'], env)).stdout) as ModelReport;
      assert.equal(report.nets.find(({ name }) => name === 'vae_encoder')?.file, join(installed(), 'autoencoder/vae_encoder/model.onnx'));
    });

    it('goes on where it was killed, and what it left looks like no model', async () => {
      hub.faults.set(WEIGHTS, { bytesPerSecond: 1_000_000 });
      const killed = new Program(['models', 'pull', REPOSITORY], env);
      const part = join(folder, 'models/owner/.tiny-model.partial', `${WEIGHTS}.${sha256(weights).slice(0, 12)}.part`);
      await until(() => existsSync(part) && statSync(part).size > 300_000);
      killed.child.kill('SIGKILL');
      assert.equal(await killed.ended, 'SIGKILL');
      const { size } = statSync(part);
      assert.ok(size < weights.length);
      assert.ok(!existsSync(installed()));
      assert.match((await Program.run(['models', 'list'], env)).stdout, /:\n {2}none/);

      hub.faults.clear();
      hub.seen.length = 0;
      assert.equal((await Program.run(['models', 'pull', REPOSITORY], env)).code, 0);
      assert.deepEqual(hub.rangesOf(WEIGHTS), [`bytes=${size}-`]);
      assert.equal(sha256(await readFile(installed(WEIGHTS))), sha256(weights));
      assert.deepEqual(await readdir(join(folder, 'models/owner')), ['tiny-model']);
    });

    it('ends on Ctrl+C with the code for it', async () => {
      hub.faults.set(WEIGHTS, { bytesPerSecond: 500_000 });
      const program = new Program(['models', 'pull', REPOSITORY, '--to', join(folder, 'here')], env);
      await until(() => program.stdout.includes('%'));
      program.child.kill('SIGINT');
      assert.equal(await program.ended, 130);
      assert.match(program.stderr, /^the download was cancelled; the next one resumes where this one stopped\n$/);
      assert.ok(!existsSync(join(folder, 'here')));
    });

    it('draws a bar in one line of a terminal', async function () {
      if (!existsSync('/usr/bin/script')) {
        console.log('    skipped: there is no "script" to make a terminal with');
        this.skip();
      }
      hub.faults.set(WEIGHTS, { bytesPerSecond: 3_000_000 });
      const command = `stty cols 100; exec ${process.execPath} ${MAIN} models pull ${REPOSITORY}`;
      const { stdout } = await promisify(execFile)('/usr/bin/script', ['-qec', command, '/dev/null'], { env: { ...process.env, ...env } });
      const frames = stdout.split('\r').filter((frame) => frame.startsWith('['));
      assert.ok(frames.length > 5, stdout);
      const toTheEnd = '\u001b[K';
      for (const frame of frames) {
        assert.ok(frame.endsWith(toTheEnd), frame);
        assert.match(frame.slice(0, -toTheEnd.length), /^\[#*\.*\] +\d+% [\d.]+ [kMG]?B of [\d.]+ MB {2}[^\n]*$/);
      }
      assert.match(stdout, /every file checked\r\n/);
    });

    it('says what went wrong, in a sentence with its code', async () => {
      const missing = await Program.run(['models', 'pull', 'owner/nothing'], env);
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /^streamdiffusion: .*owner\/nothing.*check the name.*\(EDENIED\)\n$/);
      const insecure = await Program.run(['models', 'pull', REPOSITORY], { ...env, HF_ENDPOINT: 'http://example.com' });
      assert.equal(insecure.code, 1);
      assert.match(insecure.stderr, /HF_ENDPOINT must be an https address.*\(EBADPARAM\)/);
    });
  });

  describe('list', () => {
    it('shows what is installed, and what there is to begin with', async () => {
      await Program.run(['models', 'pull', REPOSITORY], env);
      await cp(REFERENCE_MODEL, join(folder, 'models/mine'), { recursive: true });
      await rm(join(folder, 'models/mine/vae_encoder'), { recursive: true });
      const { code, stdout } = await Program.run(['models', 'list'], env);
      assert.equal(code, 0);
      assert.match(
        stdout,
        /^ {2}owner\/tiny-model {2}\d\.\d MB {2}image to image, text to image; prompts as token ids {2}owner\/tiny-model at 01234567$/m,
      );
      assert.match(stdout, /^ {2}mine {2}.* {2}text to image; prompts as token ids$/m);
      assert.equal(stdout.split('\n\n')[0].split('\n').length, 3, 'a title and two models');
      assert.match(stdout, /^ {2}julienkay\/taesd {2}9\.8 MB {2}licence: MIT$/m);
      assert.match(stdout, /nobody here has\nopened them/);
    });
  });

  describe('check', () => {
    it('says what the embedded model is, and what can run it', async () => {
      const { code, stdout, stderr } = await Program.run(['models', 'check', 'starter'], env);
      assert.equal(code, 0);
      assert.equal(stderr, '');
      assert.match(stdout, /models.starter: can be used\n/);
      assert.match(stdout, /^ {2}nets +text_encoder .*, unet .*, vae_encoder .*, vae_decoder /m);
      assert.match(stdout, /^ {2}can do +image to image, text to image$/m);
      assert.match(stdout, /^ {2}cpu +can run it, in (float32|int8|int8-7bit): .+/m);
      if (process.platform === 'linux' && !existsSync('/dev/nvidia0')) assert.match(stdout, /^ {2}cuda +no: .+/m);
    });

    it('says the same as JSON', async () => {
      const { code, stdout } = await Program.run(['models', 'check', 'starter', '--json'], env);
      assert.equal(code, 0);
      const report = JSON.parse(stdout) as ModelReport & { providers: ProviderReport[] };
      assert.equal(report.folder, join(ROOT, 'models/starter'));
      assert.equal(report.usable, true);
      assert.deepEqual(report.problems, []);
      assert.deepEqual(
        report.nets.map(({ name }) => name),
        ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
      );
      assert.equal(report.hasInt8, true);
      const { works, arithmetic } = report.providers.find(({ name }) => name === 'cpu') ?? {};
      assert.equal(works, true);
      assert.match(arithmetic?.arithmetic ?? '', /^(float32|int8|int8-7bit)$/);
    });

    it('exits with 1 when the model cannot be used, and says why', async () => {
      const model = await changedModel({ 'unet/model.onnx': null });
      const { code, stdout } = await Program.run(['models', 'check', model], env);
      assert.equal(code, 1);
      assert.match(stdout, /: cannot be used\n/);
      assert.match(stdout, /^ {2}wrong: .*lacks unet.model\.onnx/m);
      assert.doesNotMatch(stdout, /can run it/);
      assert.equal((await Program.run(['models', 'check', join(folder, 'none')], env)).code, 1);
    });

    it('says whether the autoencoder of another folder fits', async () => {
      const args = ['models', 'check', REFERENCE_MODEL, '--autoencoder'];
      const wrong = await Program.run([...args, 'starter'], env);
      assert.equal(wrong.code, 1);
      assert.match(wrong.stdout, /wrong: .*latents of 16 channels, but the unet takes 4/);
      assert.equal((await Program.run([...args, REFERENCE_MODEL], env)).code, 0);
    });

    it('finds what is damaged in a pulled model, by its name', async () => {
      await Program.run(['models', 'pull', REPOSITORY], env);
      assert.equal((await Program.run(['models', 'check', REPOSITORY], env)).code, 0);
      await writeFile(installed(WEIGHTS), weights.subarray(0, 1000));
      await rm(installed('scheduler/scheduler_config.json'));
      const { code, stdout } = await Program.run(['models', 'check', REPOSITORY], env);
      assert.equal(code, 1);
      assert.match(
        stdout,
        /wrong: unet\/model\.onnx_data has 1000 bytes instead of 3000000; "streamdiffusion models pull owner\/tiny-model" repairs it/,
      );
      assert.match(stdout, /wrong: scheduler\/scheduler_config\.json is missing/);
    });

    it('says which providers the operators of a model leave', async () => {
      const shape = ['batch', 4, 'h', 'w'];
      const groupNorm = onnxModel({
        inputs: [value('latent_sample', 'float32', shape)],
        outputs: [value('sample', 'float32', ['batch', 3, 'h', 'w'])],
        nodes: [Buffer.concat([node('GroupNorm', ['latent_sample'], 'sample'), Buffer.from([0x3a, 13]), Buffer.from('com.microsoft')])],
      });
      const model = await changedModel({ 'vae_decoder/model.onnx': groupNorm });
      const { stdout } = await Program.run(['models', 'check', model], env);
      assert.match(stdout, /^ {2}cpu +no: operators of this model run on cuda, dml only$/m);
      assert.match(stdout, /^ {2}note: .*com\.microsoft\.GroupNorm/m);
    });
  });
});
