import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { problemsOf } from '../lib/model-problems';
import { REFERENCE_MODEL } from '../lib/reference';
import { PATIENCE } from '../lib/until';

describe('model folders are read within bounds', function () {
  this.timeout(3 * PATIENCE);
  after(removeModelFolders);

  const MEGABYTE = 2 ** 20;
  /** What the check of a folder says in a process of its own, and the memory (bytes) and processor time (ms) that it takes there. Throws where it does not end. */
  function check(folder: string): { peak: number; says: string; ms: number } {
    const takes = 'peak: process.resourceUsage().maxRSS * 1024, ms: (process.cpuUsage().user + process.cpuUsage().system) / 1000';
    const script = `require(${JSON.stringify(require.resolve('../../engine/model/folder'))}).inspectModel(process.argv[1]).then((r) => console.log(JSON.stringify({ says: r.problems.join(), ${takes} })))`;
    return JSON.parse(execFileSync(process.execPath, ['-e', script, folder], { encoding: 'utf8', timeout: PATIENCE })) as ReturnType<
      typeof check
    >;
  }

  it('where a file is mostly a hole, or a name has gigabytes', async () => {
    const plain = check(REFERENCE_MODEL);
    const long = 1_900_000_000;
    const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))]);
    const head = (...path: number[]): Buffer =>
      path.reduceRight(
        (inner, number) =>
          Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(inner.length ? inner.length + long : long)]), inner]),
        Buffer.alloc(0),
      );
    const beginnings: [string, Buffer][] = [
      ['nothing at all', Buffer.alloc(0)],
      ['the name of an input', head(7, 11, 1)],
      ['the operator of a node', head(7, 1, 4)],
      ['the name of a weight', head(7, 5, 8)],
      ['the place of a weight', head(7, 5, 13, 2)],
      ['a dimension', head(7, 11, 2, 1, 2, 1, 2)],
      ['a node', head(7, 1)],
      ['an attribute', head(7, 1, 5)],
      ['very many fields', Buffer.from([8, 8])],
    ];
    for (const [what, beginning] of beginnings) {
      const folder = await changedModel({});
      const file = await open(join(folder, 'unet/model.onnx'), 'w');
      await file.write(beginning);
      await file.truncate(beginning.length + long);
      await file.close();
      const { peak, says, ms } = check(folder);
      assert.match(says, /unet.model\.onnx is torn, damaged/, what);
      assert.ok(peak - plain.peak < 300 * MEGABYTE, `${what}: ${peak / MEGABYTE} MB of ${plain.peak / MEGABYTE}`);
      if (ms < 3 * plain.ms) continue;
      // A processor that others use as well is slower, so both are looked at once more, one after the other.
      const [again, sound] = [check(folder).ms, check(REFERENCE_MODEL).ms];
      assert.ok(again < 3 * sound, `${what}: ${again} ms of a processor, and ${sound} ms for a sound model`);
    }
    for (const name of [
      'unet/config.json',
      'unet/int8.json',
      'tokenizer/tokenizer.json',
      'tokenizer/merges.txt',
      'scheduler/scheduler_config.json',
    ]) {
      const folder = await changedModel({ [name]: '{' });
      const file = await open(join(folder, name), 'r+');
      await file.truncate(long);
      await file.close();
      const { peak, says } = check(folder);
      if (!name.includes('merges')) assert.match(says, /1900000000 bytes, of at most/, name);
      assert.ok(peak - plain.peak < 300 * MEGABYTE, `${name}: ${peak / MEGABYTE} MB`);
    }
  });

  it('where a pipe that nobody writes to stands in the place of a file', async () => {
    for (const name of ['unet/model.onnx', 'unet/config.json', 'tokenizer/tokenizer.json', 'scheduler/scheduler_config.json']) {
      const folder = await changedModel({ [name]: '' });
      await rm(join(folder, name));
      execFileSync('mkfifo', [join(folder, name)]);
      assert.match(check(folder).says, /is not a regular file/, name);
    }
  });

  it('where configs say what cannot be', async () => {
    const scheduler = 'scheduler/scheduler_config.json';
    const wrong: [string, object, RegExp][] = [
      ...[-5, 0, 1, 1.5, 1e9, '1000', [], {}, true].map((steps): [string, object, RegExp] => [
        scheduler,
        { num_train_timesteps: steps },
        /"num_train_timesteps"/,
      ]),
      ...[0, -1, 1001, 2.5, 1e9].map((steps): [string, object, RegExp] => [
        scheduler,
        { num_train_timesteps: 1000, original_inference_steps: steps },
        /"original_inference_steps"/,
      ]),
      ...[-1, 2, 1e300].map((beta): [string, object, RegExp] => [scheduler, { beta_end: beta }, /"beta_end"/]),
      [scheduler, { timestep_scaling: 0 }, /"timestep_scaling"/],
      [scheduler, { prediction_type: 'x'.repeat(100_000) }, /"prediction_type": "x{39}…"/],
      ['vae_decoder/config.json', { block_out_channels: new Array(2000).fill(1) }, /lists 2000 blocks/],
      ['vae_decoder/config.json', { latent_channels: 1e9 }, /"latent_channels"/],
      ['vae_decoder/config.json', { scaling_factor: 0 }, /"scaling_factor"/],
    ];
    for (const [file, config, says] of wrong) {
      const original = JSON.parse(await readFile(join(REFERENCE_MODEL, file), 'utf8')) as object;
      const problems = await problemsOf(await changedModel({ [file]: { ...original, ...config } }));
      assert.match(problems, says, JSON.stringify(config).slice(0, 80));
      assert.ok(problems.length < 400, problems);
    }
    const folder = await changedModel({ [scheduler]: { num_train_timesteps: 10 } });
    assert.equal(await problemsOf(folder), '', 'a short schedule is one');
  });

  it('and no error quotes a file that was not meant to be read', async () => {
    for (const content of [
      'password=hunter2',
      '"hunter2"',
      '["hunter2"]',
      '{"num_train_timesteps": "hunter2 and more: $$"}',
      '{"a": hunter2}',
    ]) {
      const problems = await problemsOf(await changedModel({ 'scheduler/scheduler_config.json': content }));
      assert.match(problems, /scheduler_config\.json is not a JSON object|num_train_timesteps/);
      assert.ok(!problems.includes('hunter2'), problems);
    }
  });
});
