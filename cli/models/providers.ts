import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readOnnxHeader } from '../../engine/net/onnx-file';
import type { ProbeAnswer } from './probe';

const execute = promisify(execFile);
const PROBE_LIMIT_MS = 60_000;

/** Whether an execution provider can run a model on this machine. */
export interface ProviderReport {
  name: string;
  works: boolean;
  /** Why not. */
  reason?: string;
}

/** What the binaries of ONNX Runtime for Node bring on each system. */
const PROVIDERS: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ['cuda', 'webgpu', 'cpu'],
  win32: ['dml', 'webgpu', 'cpu'],
  darwin: ['coreml', 'webgpu', 'cpu'],
};

/** Operators that optimised exports use and only the CUDA provider of ONNX Runtime computes. */
const CUDA_ONLY = ['GroupNorm', 'SkipGroupNorm', 'NhwcConv', 'BiasSplitGelu', 'BiasAdd', 'PackedMultiHeadAttention'].map((name) => `com.microsoft.${name}`);

/**
 * Tries every execution provider of this system with a tiny net, and looks for operators that bind a
 * model to one of them.
 *
 * @param files the nets of the model
 */
export async function tryProviders(files: string[]): Promise<ProviderReport[]> {
  const bound = await cudaOnly(files);
  const reports: ProviderReport[] = [];
  for (const name of PROVIDERS[process.platform] ?? ['cpu']) {
    const reason = bound.length > 0 && name !== 'cuda' ? `only cuda computes ${bound.join(', ')}` : await refusal(name);
    reports.push({ name, works: reason === undefined, ...(reason !== undefined && { reason }) });
  }
  return reports;
}

async function cudaOnly(files: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const file of files) {
    const { operators } = await readOnnxHeader(file);
    for (const operator of CUDA_ONLY) if (operators.has(operator)) found.add(operator);
  }
  return [...found];
}

/** Why a provider does not work here; undefined when it does. In a process of its own: drivers print what they like, and may crash. */
async function refusal(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await execute(process.execPath, [join(__dirname, 'probe.js'), name], { timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL' });
    return (JSON.parse(stdout) as ProbeAnswer).reason;
  } catch (thrown) {
    const killed = thrown instanceof Error && 'killed' in thrown && thrown.killed === true;
    return killed ? `it does not answer within ${PROBE_LIMIT_MS / 1000} s` : 'its driver crashes';
  }
}
