import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ArithmeticChoice } from './arithmetic-kinds';
import type { ProbeAnswer } from './probe-main';

const execute = promisify(execFile);
const PROBE_LIMIT_MS = 60_000;

/** Whether an execution provider can run a model on this machine. */
export interface ProviderReport {
  name: string;
  works: boolean;
  /** Why not. */
  reason?: string;
  /** Of cpu: how nets that can compute in int8 are best computed here. */
  arithmetic?: ArithmeticChoice;
}

/** The execution providers in ONNX Runtime's binaries for each system. */
const PROVIDERS: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ['cuda', 'webgpu', 'cpu'],
  win32: ['dml', 'webgpu', 'cpu'],
  darwin: ['coreml', 'webgpu', 'cpu'],
};

/** Names of the execution providers that there can be on this system, the processor last. */
export function providersHere(): string[] {
  return PROVIDERS[process.platform] ?? ['cpu'];
}

/**
 * Tries every execution provider of this system with a tiny net.
 *
 * @param able the only ones that can run the model, when its operators bind it to some
 */
export async function tryProviders(able?: string[]): Promise<ProviderReport[]> {
  const reports: ProviderReport[] = [];
  for (const name of providersHere()) {
    const { reason, arithmetic } =
      !able || able.includes(name)
        ? await probe(name)
        : { reason: `operators of this model run on ${able.join(', ')} only`, arithmetic: undefined };
    reports.push({ name, works: reason === undefined, ...(reason !== undefined && { reason }), ...(arithmetic && { arithmetic }) });
  }
  return reports;
}

/** Whether a provider works here. In a process of its own: drivers print what they like, and may crash. */
export async function probe(name: string): Promise<ProbeAnswer> {
  try {
    const { stdout } = await execute(process.execPath, [join(__dirname, './probe-main.js'), name], {
      timeout: PROBE_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    return JSON.parse(stdout) as ProbeAnswer;
  } catch (thrown) {
    const killed = thrown instanceof Error && 'killed' in thrown && thrown.killed === true;
    return { reason: killed ? `it does not answer within ${PROBE_LIMIT_MS / 1000} s` : 'its driver crashes' };
  }
}
