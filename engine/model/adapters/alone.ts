import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import type { ModelFiles } from '../files';
import { subfolders } from '../layouts';
import { openAdapter } from './adapters';
import { ADAPTER_KINDS } from './kinds';
import { readLora } from './lora-file';

/** An adapter in a folder without a model. */
export interface AdapterAlone {
  /** The path to give to an engine. */
  path: string;
  /** The kind as in AdapterInfo. */
  kind?: string;
  /** Why no model can use it, in a sentence. */
  problem?: string;
}

/** The adapters in a folder without a model, as far as they can be recognised without one. Never rejects. */
export async function adaptersAlone(files: ModelFiles): Promise<AdapterAlone[]> {
  const controlNets = join(files.folder, 'controlnet');
  const inside = (await subfolders(controlNets)).map((name) => join(controlNets, name));
  const found = await Promise.all([files.folder, controlNets, ...inside].map((folder) => adapterIn(folder, files)));
  return found.flatMap((one) => one ?? []);
}

async function adapterIn(path: string, files: ModelFiles): Promise<AdapterAlone | undefined> {
  const names = await readdir(path).catch(() => []);
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  if (weights.length === 0 && !names.some((name) => name.endsWith('.onnx'))) return undefined;
  try {
    // Opening a LoRA would need its model's nets, so its file is read directly.
    if (weights.length === 1 && (await readLora(await realpath(join(path, weights[0]))))) return { path, kind: 'lora' };
    const { adapter } = await openAdapter('adapter', path, { files, headers: {} }, ADAPTER_KINDS);
    return { path, kind: adapter.kind };
  } catch (thrown) {
    return { path, problem: EngineError.from(thrown, 'EBADMODEL').message };
  }
}
