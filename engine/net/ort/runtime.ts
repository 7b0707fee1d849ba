import { EngineError } from '../../errors';
import { printable } from '../../util/quote';

type OnnxRuntime = typeof import('onnxruntime-node');

let runtime: OnnxRuntime | undefined;

/**
 * ONNX Runtime, loaded when a net is first needed: its binary is large, does not exist for every system, and is not needed
 * in a process that only passes pictures on.
 *
 * Throws ENOPROVIDER when the library cannot be loaded here.
 */
export function onnxRuntime(): OnnxRuntime {
  if (runtime) return runtime;
  // Official builds report usage over the network unless told otherwise before they load.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  try {
    runtime = require('onnxruntime-node') as OnnxRuntime;
    return runtime;
  } catch (thrown) {
    const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
    throw new EngineError('ENOPROVIDER', `ONNX Runtime does not load on this system (${system()}): ${advice(cause)}`, { cause });
  }
}

/** The version, such as 1.30.0; empty where ONNX Runtime does not tell it. */
export function runtimeVersion(): string {
  return onnxRuntime().env.versions.node ?? '';
}

function system(): string {
  return `${process.platform} ${process.arch}${isMusl() ? ', musl' : ''}, Node ${process.version}`;
}

function advice(cause: Error): string {
  if (isMusl()) return 'its binaries need glibc, Alpine Linux has musl; use a Debian-based image, such as nodered/node-red:latest-debian';
  if (process.platform === 'darwin' && process.arch === 'x64') return 'there are no binaries for Intel Macs any more';
  return `${firstLine(cause.message)}; reinstall this package for this platform (npm rebuild onnxruntime-node)`;
}

/**
 * The first line of a message: ONNX Runtime and the loader append stacks and paths that help nobody. It may quote names from
 * the model.
 */
export function firstLine(message: string): string {
  return printable(message.slice(0, 4096).split('\n', 1)[0].trim(), 500);
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}
