import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cudaInWords } from '../../cli/providers/check';
import { installCuda } from '../../cli/providers/install';
import { CUDA_LIBRARIES, findLibraries, placesHere, PROVIDER_FILES, runtimeHere } from '../../cli/providers/libraries';
import { Program } from '../lib/program';
import { makeZip } from '../lib/zip-maker';

const VERSION = '1.30.0';
const WHEEL = `onnxruntime_gpu-${VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl`;

describe('the providers commands', () => {
  let folder: string;
  let runtime: { version: string; folder: string };
  let files: Record<string, Buffer>;
  let server: Server | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'providers-'));
    runtime = { version: VERSION, folder: join(folder, 'bin') };
    await mkdir(runtime.folder);
    files = Object.fromEntries(PROVIDER_FILES.map((name) => [name, randomBytes(100_000)]));
  });
  afterEach(async () => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
    await rm(folder, { recursive: true });
  });

  const archive = (under: string, more: Record<string, Buffer> = {}): Buffer =>
    makeZip({ ...more, ...Object.fromEntries(Object.entries(files).map(([name, data]) => [`${under}/${name}`, data])) });

  async function assertInstalled(): Promise<void> {
    assert.deepEqual((await readdir(runtime.folder)).sort(), [...PROVIDER_FILES].sort());
    for (const name of PROVIDER_FILES) assert.ok((await readFile(join(runtime.folder, name))).equals(files[name]), name);
  }

  /** An index of packages with one wheel. @returns its address */
  async function serve(wheel: Buffer, sha256 = createHash('sha256').update(wheel).digest('hex'), filename = WHEEL): Promise<string> {
    server = createServer((request, response) => {
      if (request.url === '/simple/onnxruntime-gpu/') {
        const others = [
          'onnxruntime_gpu-1.29.0-cp312-cp312-manylinux_2_28_x86_64.whl',
          `onnxruntime_gpu-${VERSION}-cp312-cp312-win_amd64.whl`,
        ];
        const list = [...others, filename].map((name) => ({
          filename: name,
          url: `../../files/${name}`,
          size: wheel.length,
          hashes: { sha256 },
        }));
        response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json').end(JSON.stringify({ files: list }));
      } else if (request.url === `/files/${filename}`) response.end(wheel);
      else response.writeHead(404).end();
    });
    await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`;
  }

  it('install puts the files of the wheel of the same version in place, from an index', async () => {
    let told = 0;
    await installCuda(runtime, {
      index: await serve(archive('onnxruntime/capi', { 'onnxruntime/other.py': Buffer.from('x') })),
      onProgress: (done) => (told = done),
    });
    await assertInstalled();
    assert.ok(told > 100_000);
  });

  it('install takes a wheel or a NuGet package that was brought', async () => {
    const brought: [string, string][] = [
      [WHEEL, 'onnxruntime/capi'],
      [`Microsoft.ML.OnnxRuntime.Gpu.Linux.${VERSION}.nupkg`, 'runtimes/linux-x64/native'],
    ];
    for (const [name, under] of brought) {
      await writeFile(join(folder, name), archive(under));
      await installCuda(runtime, { from: join(folder, name) });
      await assertInstalled();
      for (const file of PROVIDER_FILES) await rm(join(runtime.folder, file));
    }
  });

  it('install refuses what would not work, with the reason, and leaves nothing', async () => {
    const whole = archive('onnxruntime/capi');
    const flipped = Buffer.from(whole);
    flipped.fill(0xff, 200, 400);
    const cases: [string, Buffer, RegExp][] = [
      ['onnxruntime_gpu-1.27.0-cp312-cp312-manylinux_2_28_x86_64.whl', whole, /is of version 1\.27\.0; ONNX Runtime is 1\.30\.0 here/],
      ['something.zip', whole, /neither a wheel/],
      [WHEEL, makeZip({ 'onnxruntime/capi/onnxruntime.dll': Buffer.from('x') }), /has no libonnxruntime_providers_shared\.so.*Linux x64/],
      [WHEEL, whole.subarray(0, 100_000), /not a whole zip archive/],
      [WHEEL, flipped, /not a whole zip archive/],
      [WHEEL, Buffer.from('<html>no such page</html>'), /not a whole zip archive/],
    ];
    for (const [name, content, reason] of cases) {
      await writeFile(join(folder, name), content);
      await assert.rejects(installCuda(runtime, { from: join(folder, name) }), { code: 'EBADPARAM', message: reason });
      assert.deepEqual(await readdir(runtime.folder), [], name);
    }
    await assert.rejects(installCuda(runtime, { index: await serve(whole, '0'.repeat(64)) }), { code: 'EINTEGRITY' });
    await assert.rejects(installCuda({ ...runtime, version: '9.9.9' }, { index: await serve(whole) }), {
      code: 'ENETWORK',
      message: /no wheel of version 9\.9\.9.*--from/,
    });
    await assert.rejects(installCuda(runtime, { index: 'http://127.0.0.1:9/simple' }), { code: 'ENETWORK', message: /--from/ });
    await assert.rejects(installCuda({ ...runtime, folder: join(folder, 'nowhere') }, {}), { code: 'EDISK' });
    assert.deepEqual(await readdir(runtime.folder), []);
  });

  it('check says of each library where it is, or what brings it, and how the loader is told', async () => {
    const [seen, hidden] = [join(folder, 'seen'), join(folder, 'hidden')];
    await Promise.all([seen, hidden].map((each) => mkdir(each)));
    await writeFile(join(seen, 'libcudart.so.13'), '');
    await writeFile(join(hidden, 'libcublas.so.13'), '');
    const libraries = findLibraries({ seen: [seen], others: [hidden] });
    const lines = cudaInWords({ runtime, missingFiles: ['libonnxruntime_providers_cuda.so'], libraries });
    const text = lines.join('\n');
    assert.match(text, /^✗ ONNX Runtime's CUDA files \(libonnxruntime_providers_cuda\.so\): streamdiffusion providers install cuda$/m);
    assert.ok(text.includes(`✓ libcudart.so.13, in ${seen}`));
    assert.ok(text.includes(`✗ libcublas.so.13 is in ${hidden}, where the system's loader does not look`));
    assert.ok(text.includes(`export LD_LIBRARY_PATH=${hidden}`));
    assert.match(text, /^✗ libcudnn\.so\.9 is missing .*libcudnn9-cuda-13, or from PyPI: nvidia-cudnn-cu13$/m);
    assert.equal(lines.filter((line) => /^[✓✗] lib/.test(line)).length, CUDA_LIBRARIES.length);
    const places = await placesHere({ LD_LIBRARY_PATH: `${seen}:` });
    assert.equal(places.seen[0], seen);
  });

  it('are commands of the program, and know the runtime that engines load', async () => {
    assert.match(runtimeHere().version, /^\d+\.\d+\.\d+$/);
    assert.ok((await readdir(runtimeHere().folder)).includes('onnxruntime_binding.node'));
    const { code, stdout } = await Program.run(['providers', 'check', '--json']);
    const { providers } = JSON.parse(stdout) as { providers: { name: string; works: boolean }[] };
    assert.ok(providers.find(({ name }) => name === 'cpu')?.works);
    assert.equal(code, providers.some(({ name, works }) => works && name !== 'cpu') ? 0 : 1);
    assert.equal((await Program.run(['providers', 'install', 'rocm'])).code, 2);
    assert.match((await Program.run(['providers'])).stdout, /providers check .*\n.*providers install/);
    assert.equal((await Program.run(['providers', 'mend'])).code, 2);
  });
});
