import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { problemsOf } from '../lib/model-problems';
import { node, onnxModel, tinyUnet, value } from '../lib/onnx-maker';
import { Program } from '../lib/program';
import { PATIENCE } from '../lib/until';

describe('model folders call their inputs and outputs as exporters do', function () {
  this.timeout(3 * PATIENCE);
  after(removeModelFolders);

  const strange = [
    '`touch pwned`',
    '$(touch pwned)',
    "x';touch pwned;'",
    'a b',
    'a"b',
    'a\nb',
    '',
    'x'.repeat(300),
    '<b>',
    'é',
    '\u001b[31m',
  ];

  it('or are refused, in one line of bounded length', async () => {
    for (const name of strange) {
      const unet = onnxModel({
        inputs: [
          value(name, 'float32', ['b', 4, 'h', 'w']),
          value('timestep', 'int64', ['b']),
          value('encoder_hidden_states', 'float32', ['b', 77, 32]),
        ],
        outputs: [value('out_sample', 'float32', ['b', 4, 'h', 'w'])],
        nodes: [node('Identity', [name], 'out_sample')],
      });
      const problems = await problemsOf(await changedModel({ 'unet/model.onnx': unet }));
      assert.match(problems, /calls an input or output ".*names are letters, digits/, JSON.stringify(name));
      assert.ok(!/[\p{Cc}]/u.test(problems) && problems.length < 400, JSON.stringify(problems));
    }
    const usual = await changedModel({ 'unet/model.onnx': tinyUnet({ outputName: 'StatefulPartitionedCall:0/out-put.1' }) });
    assert.equal(await problemsOf(usual), '');
  });

  it('and nothing of them is run by the script that makes TensorRT plans', async () => {
    const to = await mkdtemp(join(tmpdir(), 'plans-'));
    const evil = await changedModel({ 'unet/model.onnx': tinyUnet({ extraInputs: { '`touch pwned`': 4 } }) });
    const refused = await Program.run([
      'models',
      'repository',
      evil,
      '--to',
      to,
      '--nets',
      'unet',
      '--backend',
      'tensorrt',
      '--prefix',
      'm',
    ]);
    assert.equal(refused.code, 1);
    assert.ok(!existsSync(join(to, 'make-plans.sh')));
    // Whatever a name may hold, a shell passes it on as it is; `echo` stands for the program.
    const good = await changedModel({ 'unet/model.onnx': tinyUnet() });
    assert.equal(
      (await Program.run(['models', 'repository', good, '--to', to, '--nets', 'unet', '--backend', 'tensorrt', '--prefix', 'm'])).code,
      0,
    );
    await writeFile(join(to, 'trtexec'), '#!/bin/sh\nfor each in "$@"; do echo "<$each>"; done\n', { mode: 0o755 });
    const said = execFileSync('sh', [join(to, 'make-plans.sh')], { encoding: 'utf8', env: { PATH: `${to}:${process.env.PATH}` } });
    assert.deepEqual(said.split('\n').slice(2, 6), [
      '<--fp16>',
      '<--minShapes=sample:1x4x8x8,timestep:1,encoder_hidden_states:1x77x32>',
      '<--optShapes=sample:2x4x8x8,timestep:2,encoder_hidden_states:2x77x32>',
      '<--maxShapes=sample:16x4x8x8,timestep:16,encoder_hidden_states:16x77x32>',
    ]);
    assert.ok(!existsSync('pwned') && !existsSync(join(to, 'pwned')), basename(to));
    await rm(to, { recursive: true });
  });
});
