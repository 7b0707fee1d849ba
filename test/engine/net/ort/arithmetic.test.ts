import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Engine } from '../../../../engine';
import { chooseArithmetic, decide } from '../../../../engine/net/ort/arithmetic';
import { tryArithmetic } from '../../../../engine/net/ort/arithmetic-trial';

const TRIAL = join(__dirname, '../../../../engine/net/ort/arithmetic-trial.js');

describe('the arithmetic of nets', () => {
  const exact = { int8: true, 'int8-7bit': true };
  const overflows = { int8: false, 'int8-7bit': true };

  it('is int8 with weights of eight bits where products are exact, of seven where they overflow', () => {
    assert.equal(decide('auto', { exact, speedUp: 2 }).arithmetic, 'int8');
    assert.equal(decide('auto', { exact: overflows, speedUp: 1.5 }).arithmetic, 'int8-7bit');
    assert.match(decide('auto', { exact: overflows, speedUp: 1.5 }).reason, /overflow.*1\.5 times/);
  });

  it('is float32 where int8 is not faster, unless int8 is asked for', () => {
    assert.equal(decide('auto', { exact, speedUp: 1.05 }).arithmetic, 'float32');
    assert.equal(decide(true, { exact, speedUp: 0.7 }).arithmetic, 'int8');
  });

  it('is float32 where no int8 is right, also when it is asked for', () => {
    const none = { int8: false, 'int8-7bit': false };
    assert.equal(decide('auto', { exact: none, speedUp: 3 }).arithmetic, 'float32');
    assert.equal(decide(true, { exact: none, speedUp: 3 }).arithmetic, 'float32');
  });

  it('is told with its reason by the engine', async () => {
    const engine = await Engine.load({ model: 'starter', int8: false });
    assert.deepEqual(engine.info.arithmetic, { arithmetic: 'float32', reason: 'int8 is switched off' });
    await engine.close();
  });
});

describe('trying int8', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'arithmetic-'))));
  after(() => rm(folder, { recursive: true }));

  it('finds weights of seven bits exact, and its speed', async () => {
    const { exact, speedUp } = await tryArithmetic(true);
    assert.equal(exact['int8-7bit'], true);
    assert.ok(speedUp > 0.1 && speedUp < 100, `${speedUp}`);
  });

  it('finds eight bits wrong on a processor without dot products', async function () {
    if (spawnSync('qemu-x86_64', ['--version']).error) {
      console.log('      skipped: there is no qemu-x86_64 (package qemu-user)');
      this.skip();
    }
    if (process.arch !== 'x64') this.skip();
    const script = `require(${JSON.stringify(TRIAL)}).tryArithmetic(false).then(({ exact }) => console.log(JSON.stringify(exact)))`;
    const { stdout } = await promisify(execFile)('qemu-x86_64', ['-cpu', 'Haswell', process.execPath, '-e', script], { timeout: 110_000 });
    assert.deepEqual(JSON.parse(stdout), { int8: false, 'int8-7bit': true });
  });

  it('remembers how fast it was, so that a restart chooses the same', async () => {
    const memory = join(folder, 'kept', 'arithmetic.json');
    const first = await chooseArithmetic('auto', memory);
    const kept = JSON.parse(await readFile(memory, 'utf8')) as Record<string, number>;
    assert.equal(Object.keys(kept).length, 1);
    assert.deepEqual(await chooseArithmetic('auto', memory), first);
    await writeFile(memory, JSON.stringify({ [Object.keys(kept)[0]]: 0.5 }));
    const { arithmetic, reason } = await chooseArithmetic('auto', memory);
    assert.equal(arithmetic, 'float32');
    assert.match(reason, /not faster/);
    assert.notEqual((await chooseArithmetic('auto', memory, true)).reason, reason);
  });

  for (const [what, damaged] of Object.entries({
    'is torn': '{"a": ',
    'holds something else': '["a", {"b": "c"}, null]',
    'holds null': 'null',
  })) {
    it(`tries again where the memory ${what}`, async () => {
      const memory = join(folder, 'damaged.json');
      await writeFile(memory, damaged);
      await chooseArithmetic('auto', memory);
      assert.equal(Object.values(JSON.parse(await readFile(memory, 'utf8')) as object).filter((one) => typeof one === 'number').length, 1);
    });
  }

  it('works where nothing can be written', async () => {
    const file = join(folder, 'no-folder');
    await writeFile(file, '');
    assert.ok((await chooseArithmetic('auto', join(file, 'arithmetic.json'))).reason);
  });
});
