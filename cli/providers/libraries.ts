import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A library that ONNX Runtime's CUDA provider needs, and the packages that contain it. */
export interface Library {
  name: string;
  /** NVIDIA's packages for Debian and Ubuntu, and on PyPI. */
  apt: string;
  pip?: string;
  /** Whether it is only loaded when it is needed. */
  isLate?: boolean;
}

/** The libraries that ONNX Runtime 1.30 links to, and those that it opens at run time. */
export const CUDA_LIBRARIES: readonly Library[] = [
  { name: 'libcuda.so.1', apt: 'nvidia-driver-580 (or newer; the driver itself)' },
  { name: 'libcudart.so.13', apt: 'cuda-cudart-13-0', pip: 'nvidia-cuda-runtime' },
  { name: 'libcublas.so.13', apt: 'libcublas-13-0', pip: 'nvidia-cublas' },
  { name: 'libcublasLt.so.13', apt: 'libcublas-13-0', pip: 'nvidia-cublas' },
  { name: 'libcurand.so.10', apt: 'libcurand-13-0', pip: 'nvidia-curand' },
  { name: 'libcudnn.so.9', apt: 'libcudnn9-cuda-13', pip: 'nvidia-cudnn-cu13', isLate: true },
  { name: 'libcufft.so.12', apt: 'libcufft-13-0', pip: 'nvidia-cufft', isLate: true },
  { name: 'libnvrtc.so.13', apt: 'cuda-nvrtc-13-0', pip: 'nvidia-cuda-nvrtc', isLate: true },
];

/** ONNX Runtime's own files, beside its library. */
export const PROVIDER_FILES = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];

export interface Runtime {
  version: string;
  /** The folder of its library. */
  folder: string;
}

/** The ONNX Runtime that engines load. */
export function runtimeHere(): Runtime {
  const manifest = require.resolve('onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const bin = join(dirname(manifest), 'bin');
  const [kind = 'napi-v6'] = existsSync(bin) ? readdirSync(bin) : [];
  return { version, folder: join(bin, kind, process.platform, process.arch) };
}

/** A library and its place. */
export interface Found {
  library: Library;
  /** Its folder; undefined where it was not found. */
  folder?: string;
  /** Whether the system's loader searches that folder. */
  isSeen: boolean;
}

/** The folders that are searched for libraries. */
export interface Places {
  /** The folders of the system's loader. */
  seen: string[];
  /** Other folders of installers, which the loader only searches if it is told to. */
  others: string[];
}

/** @param env LD_LIBRARY_PATH, VIRTUAL_ENV */
export async function placesHere(env: NodeJS.ProcessEnv = process.env): Promise<Places> {
  const told = (env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  const cached = await loaderCache();
  const usual = ['/lib64', '/usr/lib64', `/lib/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`];
  const toolkits = list('/usr/local', /^cuda/).flatMap((folder) => [join(folder, 'lib64'), join(folder, 'targets/x86_64-linux/lib')]);
  const pythons = [env.VIRTUAL_ENV ?? '', join(homedir(), '.local'), '/usr/local', '/usr']
    .filter((folder) => folder !== '')
    .flatMap((folder) => list(join(folder, 'lib'), /^python3/))
    .flatMap((folder) => [join(folder, 'site-packages'), join(folder, 'dist-packages')])
    .flatMap((folder) => list(join(folder, 'nvidia'), /./))
    .map((folder) => join(folder, 'lib'));
  return { seen: [...new Set([...told, ...cached, ...usual])], others: [...toolkits, ...pythons] };
}

/** Looks for every library; the files are not opened. */
export function findLibraries({ seen, others }: Places, libraries = CUDA_LIBRARIES): Found[] {
  return libraries.map((library) => {
    const holds = (folder: string): boolean => existsSync(join(folder, library.name));
    const known = seen.find(holds);
    const folder = known ?? others.find(holds);
    return { library, isSeen: known !== undefined, ...(folder !== undefined && { folder }) };
  });
}

/** The folders of the libraries in the loader's cache. */
async function loaderCache(): Promise<string[]> {
  for (const program of ['/sbin/ldconfig', '/usr/sbin/ldconfig', 'ldconfig']) {
    try {
      const { stdout } = await execute(program, ['-p'], { timeout: 10_000, maxBuffer: 2 ** 24 });
      return [...new Set([...stdout.matchAll(/=> (\/\S+)$/gm)].map(([, path]) => dirname(path)))];
    } catch {
      // The program is in another place, or this system has none.
    }
  }
  return [];
}

function list(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
