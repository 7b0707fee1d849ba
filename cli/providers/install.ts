import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, constants, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../../engine/errors';
import { type Command, readArguments, UsageError } from '../command';
import { ProgressLine } from '../progress-line';
import { inBytes } from '../words';
import { cudaInWords, examineCuda, isForCuda } from './check';
import { PROVIDER_FILES, type Runtime, runtimeHere } from './libraries';
import { listZip, unpack } from './zip';

const HELP = `Usage: streamdiffusion providers install cuda [--from FILE]

Puts ONNX Runtime's files for CUDA beside its library, on Linux x64: those of the same version, from PyPI's wheel
onnxruntime-gpu (some 250 MB, checked by its checksum). Then says which of CUDA's own libraries are missing, and which
packages bring them. To be done again after this package was installed anew.

Options:
  --from FILE  a wheel that is here already (onnxruntime_gpu-VERSION-….whl), or the NuGet package
               Microsoft.ML.OnnxRuntime.Gpu.Linux (.nupkg): for machines without a network

Environment:
  PIP_INDEX_URL  another index than https://pypi.org/simple

Example:
  streamdiffusion providers install cuda`;

/** The version in a package's name: files of another version do not load, or crash. */
const VERSION = /^(?:onnxruntime_gpu-|microsoft\.ml\.onnxruntime\.gpu\.linux\.)(\d+\.\d+\.\d+)/i;
const INDEX = 'https://pypi.org/simple';
const SILENCE_MS = 60_000;
/** The largest unpacked file, bytes; they have some 300 MB. */
const LARGEST = 2e9;

interface Wheel {
  filename: string;
  url: string;
  sha256: string;
  size: number;
}

async function run(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = readArguments(args, { from: { type: 'string' } }, ['PROVIDER']);
  if (positionals[0] !== 'cuda') throw new UsageError(`there are files to install for cuda alone, not for "${positionals[0]}"`);
  if (!isForCuda())
    throw new EngineError('ENOPROVIDER', `ONNX Runtime for Node has CUDA on Linux x64 only, not on ${process.platform} ${process.arch}`);
  const runtime = runtimeHere();
  const line = new ProgressLine();
  try {
    await installCuda(runtime, {
      ...values,
      signal,
      onProgress: (done, total) => line.update(done / total, () => `${inBytes(done)} of ${inBytes(total)}`),
    });
  } finally {
    line.clear();
  }
  console.log(cudaInWords(await examineCuda(runtime)).join('\n'));
  return 0;
}

interface Install {
  from?: string;
  index?: string;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/**
 * Puts the files beside the library, each when it is complete.
 *
 * Rejects with EBADPARAM for a package of another version or system, ENETWORK, EINTEGRITY, EDISK.
 */
export async function installCuda(
  runtime: Runtime,
  { from, index = process.env.PIP_INDEX_URL || INDEX, signal, onProgress }: Install,
): Promise<void> {
  await access(runtime.folder, constants.W_OK).catch((thrown: Error) => {
    throw new EngineError('EDISK', `nothing can be written to ${runtime.folder}: ${thrown.message}`);
  });
  if (from !== undefined) return place(runtime, from, basename(from));
  const wheel = await findWheel(runtime.version, index, signal);
  const folder = await mkdtemp(join(tmpdir(), 'providers-'));
  try {
    const file = join(folder, 'wheel');
    await download(wheel, file, signal, onProgress);
    await place(runtime, file, wheel.filename);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws EBADPARAM */
async function place({ folder, version }: Runtime, archive: string, name: string): Promise<void> {
  const [, other] = VERSION.exec(name) ?? [];
  if (other !== version) {
    const is = other === undefined ? 'is neither a wheel onnxruntime_gpu-… nor the NuGet package' : `is of version ${other}`;
    throw new EngineError('EBADPARAM', `${name} ${is}; ONNX Runtime is ${version} here, and takes files of that version only`);
  }
  const entries = await listZip(archive);
  const wanted = PROVIDER_FILES.map((file) => ({
    file,
    entry: entries.find((each) => each.name.endsWith(`/${file}`) && !/arm64|aarch64/.test(each.name)),
  }));
  for (const { file, entry } of wanted) {
    if (!entry || entry.size > LARGEST) throw new EngineError('EBADPARAM', `${name} has no ${file}; it must be the one for Linux x64`);
  }
  for (const { file, entry } of wanted) {
    const part = join(folder, `${file}.part`);
    try {
      if (entry) await unpack(archive, entry, part);
      await rename(part, join(folder, file));
    } catch (thrown) {
      await rm(part, { force: true });
      throw EngineError.from(thrown, 'EDISK');
    }
  }
}

/** The wheel of this version for this system; its provider files do not depend on the version of Python. */
async function findWheel(version: string, index: string, signal?: AbortSignal): Promise<Wheel> {
  const address = `${index.replace(/\/$/, '')}/onnxruntime-gpu/`;
  const advice = 'download the wheel elsewhere, and give it with --from';
  const limit = AbortSignal.any([AbortSignal.timeout(SILENCE_MS), ...(signal ? [signal] : [])]);
  const list = await fetch(address, { headers: { accept: 'application/vnd.pypi.simple.v1+json' }, signal: limit })
    .then(async (response) => {
      if (!response.ok) throw new Error(`status ${response.status}`);
      return (await response.json()) as { files?: { filename?: string; url?: string; size?: number; hashes?: { sha256?: string } }[] };
    })
    .catch((thrown: Error) => {
      throw new EngineError('ENETWORK', `${address} does not answer as an index of packages: ${thrown.message}; ${advice}`, {
        cause: thrown,
      });
    });
  const found = (list.files ?? []).find(
    ({ filename = '' }) => filename.startsWith(`onnxruntime_gpu-${version}-`) && /manylinux\w*_x86_64\.whl$/.test(filename),
  );
  if (!found?.filename || !found.url || !found.hashes?.sha256) {
    throw new EngineError('ENETWORK', `${address} has no wheel of version ${version} for Linux x64; ${advice}`);
  }
  return { filename: found.filename, url: new URL(found.url, address).href, sha256: found.hashes.sha256, size: found.size ?? 0 };
}

async function download({ url, sha256, size }: Wheel, to: string, signal?: AbortSignal, onProgress?: Install['onProgress']): Promise<void> {
  const silent = new AbortController();
  const hush = setTimeout(() => silent.abort(new Error(`nothing came for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
  const limit = AbortSignal.any([silent.signal, ...(signal ? [signal] : [])]);
  const hash = createHash('sha256');
  let done = 0;
  try {
    const response = await fetch(url, { signal: limit });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    const count = new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        hush.refresh();
        hash.update(chunk);
        done += chunk.length;
        onProgress?.(done, Math.max(size, done));
        next(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), count, createWriteStream(to), {
      signal: limit,
    });
  } catch (thrown) {
    const reason = silent.signal.aborted ? silent.signal.reason : thrown;
    throw new EngineError('ENETWORK', `the wheel could not be downloaded: ${(reason as Error).message}; try again`, { cause: thrown });
  } finally {
    clearTimeout(hush);
  }
  if (hash.digest('hex') !== sha256)
    throw new EngineError('EINTEGRITY', 'the wheel is not what the index says: its checksum differs; try again');
}

export const install: Command = { help: HELP, run };
