import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../lib/reference';
import { freePort } from '../lib/server';
import { PATIENCE, answered, until } from '../lib/until';

const execute = promisify(execFile);
const NAME = '@streamdiffusion/node-red';

interface NodeSet {
  id: string;
  module: string;
  types: string[];
  enabled: boolean;
  err?: string;
}

describe('the packed package in an empty user folder', () => {
  let folder: string;
  let server: ChildProcess;
  let address: string;
  let output = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packed-'));
    const { stdout } = await execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT,
      maxBuffer: 16e6,
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    const modules = join(folder, 'node_modules');
    const installed = join(modules, NAME);
    await mkdir(installed, { recursive: true });
    await execute('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
    // What npm would put beside it; the packages are those of this checkout, so that the test needs no network.
    const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) {
      await mkdir(dirname(join(modules, dependency)), { recursive: true });
      await symlink(await realpath(join(ROOT, 'node_modules', dependency)), join(modules, dependency));
    }
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'user', dependencies: { [NAME]: '*' } }));
    await cp(join(installed, 'examples', '01 - Live picture.json'), join(folder, 'flows.json'));
    await writeFile(
      join(folder, 'settings.js'),
      'module.exports = { uiHost: "127.0.0.1", flowFile: "flows.json", telemetry: { enabled: false } };',
    );

    const port = await freePort();
    address = `http://127.0.0.1:${port}`;
    server = spawn(process.execPath, [require.resolve('node-red/red.js'), '--userDir', folder, '--port', String(port)], { cwd: folder });
    for (const stream of [server.stdout, server.stderr]) stream?.on('data', (text: Buffer) => (output += text.toString()));
    await until(
      () => output.includes('Started flows') && output.includes('Server now running'),
      PATIENCE,
      () => output,
    );
  });
  after(async () => {
    const gone = new Promise((resolve) => server?.once('exit', resolve));
    if (server?.kill()) await gone;
    await rm(folder, { recursive: true, force: true });
  });

  const get = async (path: string): Promise<Response> => fetch(address + path, { headers: { accept: 'application/json' } });

  it('gives its working nodes', async () => {
    const sets = ((await (await get('/nodes')).json()) as NodeSet[]).filter(({ module }) => module === NAME);
    assert.deepEqual(sets.map(({ err }) => err).filter(Boolean), []);
    assert.deepEqual(
      sets.flatMap(({ types }) => types).sort(),
      ['control', 'denoiser', 'engine', 'filter', 'prompt', 'sink', 'source'].map((name) => `streamdiffusion-${name}`),
    );
    assert.ok(sets.every(({ enabled }) => enabled));
  });

  it('has its examples in the Import menu, its icons, and the scripts of its dialogs', async () => {
    const examples = JSON.stringify(await (await get(`/library/examples/flows/${NAME}/`)).json());
    assert.match(examples, /01 - Live picture/);
    assert.match(JSON.stringify(await (await get('/icons')).json()), /streamdiffusion-denoiser\.svg/);
    for (const file of await readdir(join(ROOT, 'resources'))) assert.equal((await get(`/resources/${NAME}/${file}`)).status, 200, file);
  });

  it('paints: the first example runs on the embedded model', async () => {
    const response = await answered(() => get('/streamdiffusion/live.jpg')).catch((thrown: unknown) => assert.fail(`${thrown}\n${output}`));
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
  });
});
