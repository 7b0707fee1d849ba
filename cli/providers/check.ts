import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ProviderReport, tryProviders } from '../../engine/net/ort/provider-reports';
import { type Command, readArguments } from '../command';
import { type Found, findLibraries, placesHere, PROVIDER_FILES, type Runtime, runtimeHere } from './libraries';

const HELP = `Usage: streamdiffusion providers check [--json]

Says which execution providers of ONNX Runtime work on this machine. On Linux x64 also what CUDA needs, a line for each
library: where it is, or which package brings it. The exit code is 1 when nothing but the processor works.

Options:
  --json  the same as JSON

Example:
  streamdiffusion providers check`;

/** The files and libraries that CUDA needs, and those that are missing. */
export interface CudaReport {
  runtime: Runtime;
  /** The missing ones of ONNX Runtime's own files. */
  missingFiles: string[];
  libraries: Found[];
}

async function run(args: string[]): Promise<number> {
  const { values } = readArguments(args, { json: { type: 'boolean' } }, []);
  const cuda = isForCuda() ? await examineCuda() : undefined;
  const providers = await tryProviders();
  console.log(values.json ? JSON.stringify({ providers, cuda }, null, 2) : inWords(providers, cuda));
  return providers.some(({ name, works }) => works && name !== 'cpu') ? 0 : 1;
}

/** Whether ONNX Runtime for Node supports CUDA on this system. */
export function isForCuda(): boolean {
  return process.platform === 'linux' && process.arch === 'x64';
}

/** Looks for the files and libraries that CUDA needs. */
export async function examineCuda(runtime = runtimeHere()): Promise<CudaReport> {
  const places = await placesHere();
  return {
    runtime,
    missingFiles: PROVIDER_FILES.filter((name) => !existsSync(join(runtime.folder, name))),
    libraries: findLibraries({ ...places, seen: [runtime.folder, ...places.seen] }),
  };
}

/** The report, one line per provider and library. */
export function inWords(providers: ProviderReport[], cuda: CudaReport | undefined): string {
  const lines = providers.map(({ name, works, reason }) => `${name.padEnd(8)} ${works ? 'works' : `no: ${reason}`}`);
  return [...lines, ...(cuda ? ['', ...cudaInWords(cuda)] : [])].join('\n');
}

/** The libraries that CUDA needs, one line for each. */
export function cudaInWords({ runtime, missingFiles, libraries }: CudaReport): string[] {
  const files =
    missingFiles.length === 0
      ? `✓ ONNX Runtime's CUDA files ${runtime.version}, in ${runtime.folder}`
      : `✗ ONNX Runtime's CUDA files (${missingFiles.join(', ')}): streamdiffusion providers install cuda`;
  const hidden = [...new Set(libraries.flatMap(({ folder, isSeen }) => (folder === undefined || isSeen ? [] : [folder])))];
  const advice =
    hidden.length === 0
      ? []
      : [
          '',
          'Tell the loader where to look before Node-RED starts:',
          `  export LD_LIBRARY_PATH=${hidden.join(':')}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`,
        ];
  return [files, ...libraries.map(libraryInWords), ...advice];
}

function libraryInWords({ library: { name, apt, pip, isLate }, folder, isSeen }: Found): string {
  if (folder !== undefined && isSeen) return `✓ ${name}, in ${folder}`;
  if (folder !== undefined) return `✗ ${name} is in ${folder}, where the system's loader does not look`;
  const packages = `${apt}${pip === undefined ? '' : `, or from PyPI: ${pip}`}`;
  return `✗ ${name} is missing${isLate ? ' (asked for when a net needs it)' : ''}; it comes with ${packages}`;
}

export const check: Command = { help: HELP, run };
