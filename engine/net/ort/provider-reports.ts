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
  /** Why it cannot. */
  reason?: string;
  /** For cpu: how nets that can compute in int8 are best computed here. */
  arithmetic?: ArithmeticChoice;
}

/** The execution providers that ONNX Runtime's binaries contain for each system. */
const PROVIDERS: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ['cuda', 'webgpu', 'cpu'],
  win32: ['dml', 'webgpu', 'cpu'],
  darwin: ['coreml', 'webgpu', 'cpu'],
};

/** The names of the execution providers that this system may have, `cpu` last. */
export function providersHere(): string[] {
  return PROVIDERS[process.platform] ?? ['cpu'];
}

/**
 * Tries every execution provider of this system with a tiny net.
 *
 * @param able the only providers that can run the model, where its operators limit it to some
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

/** Tries a provider in a separate process: drivers print to the console, and may crash. */
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
