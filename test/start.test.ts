import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './lib/reference';
import { Server } from './lib/server';

/** Of a user for whom rights to files count. */
const NOBODY = 65_534;

describe('npm start where nothing can be written', () => {
  let folder: string;
  beforeEach(async function () {
    if (process.platform === 'win32') return this.skip();
    folder = await mkdtemp(join(tmpdir(), 'read-only-'));
    await chmod(folder, 0o755);
  });
  afterEach(async () => {
    await chmod(folder, 0o755);
    await rm(folder, { recursive: true });
  });

  /** A program in the read-only folder. The files that it is made of are read by this user, before it becomes another. */
  async function run(script: string, args: string[]): Promise<{ code: number; said: string }> {
    await chmod(folder, 0o555);
    const become = process.getuid?.() === 0 ? `process.setgid(${NOBODY}); process.setuid(${NOBODY});` : '';
    const program = `${become} process.execArgv.length = 0; process.argv.splice(1, 0, ${JSON.stringify(script)}); import(${JSON.stringify(script)});`;
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        ['-e', program, '--', ...args],
        { cwd: folder, env: { ...process.env, PORT: '18899' } },
        (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), said: stdout + stderr }),
      );
    });
  }

  it('says in a sentence that flows cannot be kept there, and what to do', async () => {
    const { code, said } = await run(join(ROOT, 'scripts/start.mjs'), ['--user-dir', join(folder, 'flows')]);
    assert.equal(code, 1, said);
    assert.match(said, /Flows cannot be kept in .*permission denied.*\n.*--user-dir FOLDER/);
    assert.ok(!/\n\s+at /.test(said), said);
  });

  it('says so where nothing was built, and starts what was built before', async () => {
    const script = join(ROOT, 'scripts/build-for-start.mjs');
    const none = await run(script, []);
    assert.equal(none.code, 1);
    assert.match(none.said, /nothing was built in it yet/);
    assert.ok(!/\n\s+at /.test(none.said), none.said);
    await chmod(folder, 0o755);
    await mkdir(join(folder, 'dist/nodes'), { recursive: true });
    await writeFile(join(folder, 'dist/nodes/engine.js'), '');
    await chmod(join(folder, 'dist'), 0o555);
    const built = await run(script, []);
    assert.deepEqual([built.code, /what was built in it before is started/.test(built.said)], [0, true], built.said);
    await chmod(join(folder, 'dist'), 0o755);
  });
});

describe('npm start', () => {
  const start = join(ROOT, 'scripts/start.mjs');

  it('tells its options and the examples when asked for help, and starts nothing', async () => {
    const said = await new Promise<string>((resolve, reject) =>
      execFile(process.execPath, [start, '--help'], (error, stdout) => (error ? reject(error) : resolve(stdout))),
    );
    for (const word of ['--example', '--model', '--user-dir', '--help', 'PORT', '04 - Camera to page', '13 - DMX piece'])
      assert.ok(said.includes(word), word);
  });

  it('prints an address to try where a flow answers requests', async () => {
    const server = await Server.start(['--example', '7']);
    try {
      await server.ready();
      const [, address] = /^ {2}To try +(\S+)$/m.exec(server.output) ?? [];
      assert.equal(address, `${server.address}/picture?prompt=night,%20aurora,%20snow`);
      assert.doesNotMatch(server.output, /system-generated key/, 'a page of warnings before the addresses');
    } finally {
      await server.stop();
    }
  });

  for (const [example, name] of [
    ['10', '@flowfuse/node-red-dashboard'],
    ['12', 'node-red-contrib-osc'],
    ['13', '@bannsaenger/node-red-contrib-artnet-controller'],
  ]) {
    it(`prints the command that installs what example ${example} needs`, async () => {
      const server = await Server.start(['--example', example]);
      try {
        await server.ready();
        assert.ok(server.output.includes(`npm install --prefix "${server.folder}" ${name}\n`), server.output);
      } finally {
        await server.stop();
      }
    });
  }
});
