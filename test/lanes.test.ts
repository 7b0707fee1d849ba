import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './lib/reference';

const script = (name: string): string => pathToFileURL(join(ROOT, 'scripts', name)).href;
/** In another process, since it tells its own output and signals. */
const RUN = `import(${JSON.stringify(script('lanes.mjs'))}).then(async ({ runLanes }) => (process.exitCode = await runLanes(JSON.parse(process.argv[1]))))`;

/** How long a process that a test leaves behind stays, s. */
const LEFT_S = 45;

describe('tests in lanes beside each other', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lanes-'));
    const files = {
      first: "it('is slow', (done) => void setTimeout(done, 500)); it('is quick', () => undefined)",
      second: "it('is found wrong', () => { throw new Error('wrong') }); it('is sound', () => undefined); it.skip('is left out')",
      careless: `it('leaves a process behind', () => {
        const left = require('node:child_process').spawn('sleep', ['${LEFT_S}'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
        left.unref();
        console.log('left: ' + left.pid);
      })`,
      shaky: "let times = 0; it('takes two', () => { if (times++ === 0) throw new Error('not yet') })",
      broken: "it('ends in the middle', () => process.exit(0))",
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, `${name}.js`), `describe('${name}', () => { ${text} })`);
  });
  after(() => rm(folder, { recursive: true }));

  function runLanes(...names: string[]): Promise<{ code: unknown; lines: string[] }> {
    const lanes = names.map((name) => ['--retries', '1', join(folder, `${name}.js`)]);
    return new Promise((resolve) =>
      execFile(process.execPath, ['-e', RUN, JSON.stringify(lanes)], { cwd: ROOT }, (error, said) =>
        resolve({ code: error?.code ?? 0, lines: said.trim().split('\n') }),
      ),
    );
  }
  const counts = (lines: string[]): string[] => lines.filter((line) => /\d passed/.test(line));

  it('report one behind the other, and are counted together', async () => {
    const { code, lines } = await runLanes('first', 'second');
    assert.equal(code, 1);
    assert.deepEqual(counts(lines), ['3 passed, 1 failed, 1 skipped']);
    assert.equal(lines.at(-1), counts(lines)[0]);
    const places = ['is slow', 'is quick', 'second', 'is found wrong', 'is sound'].map((text) =>
      lines.findIndex((line) => line.includes(text)),
    );
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      lines.join('\n'),
    );
    assert.ok(places[0] >= 0);
  });

  it('have passed when all have, whatever one leaves behind', async () => {
    const { code, lines } = await runLanes('first', 'careless');
    // Fails where it has been waited for: then there is none.
    process.kill(Number(/left: (\d+)/.exec(lines.join('\n'))?.[1]), 'SIGKILL');
    assert.equal(code, 0, lines.join('\n'));
    assert.deepEqual(counts(lines), ['3 passed, 0 failed, 0 skipped']);
  });

  it('name a test that passed only at its second attempt, and no other', async () => {
    const { code, lines } = await runLanes('first', 'shaky', 'second');
    assert.equal(code, 1);
    assert.deepEqual(lines.slice(-2), ['second attempt: shaky takes two: not yet', '4 passed, 1 failed, 1 skipped']);
    assert.equal(lines.filter((line) => line.startsWith('second attempt')).length, 1);
  });

  it('are not counted, and have failed, where one breaks off', async () => {
    const both = [runLanes('first', 'broken'), runLanes('broken', 'first')];
    for (const { code, lines } of await Promise.all(both)) {
      assert.equal(code, 1);
      assert.deepEqual(counts(lines), [], lines.join('\n'));
      assert.match(lines.at(-1)!, /Not all tests ran/);
    }
  });

  it('are of files that there are, each in one of them', async () => {
    const { SIDE_LANES } = (await import(script('side-lanes.mjs'))) as { SIDE_LANES: string[][] };
    const all = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).map((file) => file.split(sep).join('/'));
    const named = SIDE_LANES.flat().map((name) => {
      const pattern = new RegExp(`^${name.replace('*', '[^/]+')}\\.test\\.ts$`);
      const found = all.filter((file) => pattern.test(file));
      assert.ok(found.length > 0, name);
      return found;
    });
    assert.equal(new Set(named.flat()).size, named.flat().length);
  });
});
