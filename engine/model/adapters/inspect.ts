import { EngineError } from '../../errors';
import { type OnnxGraph, readOnnxGraph } from '../../net/onnx/graph';
import { applyPatches } from '../../net/onnx/patches/patch';
import type { AdapterInfo } from '../../types';
import type { ModelFiles } from '../files';
import type { Headers } from '../headers';
import { netNames, type PerRole } from '../roles';
import { adaptersInModel, checkAdapter, openAdapter, ownAdapters } from './adapters';
import { ADAPTER_KINDS } from './kinds';

/** A report on a file or folder as an adapter of a model: plain JSON. */
export interface AdapterReport extends Partial<AdapterInfo> {
  name: string;
  path: string;
  /** Whether it is in the model's own folder or in its UNet, so that it is opened with the model. */
  isOwn: boolean;
  /** The variant of its kind: an IP-Adapter is `plain` or `plus`. */
  variant?: string;
  /** Why it cannot be used, in a sentence. */
  problem?: string;
}

/**
 * Inspects adapters without opening a net, including whether their edits fit the model's graphs: the model's own adapters, and
 * those at the given paths. Never rejects.
 */
export async function inspectAdapters(
  paths: Readonly<Record<string, string>>,
  model: { files: ModelFiles; headers: Headers },
): Promise<AdapterReport[]> {
  const own = (await ownAdapters(model.files)).filter(([name]) => !Object.hasOwn(paths, name));
  const graphs: PerRole<OnnxGraph> = {};
  const reports: AdapterReport[] = [];
  const opened: Awaited<ReturnType<typeof openAdapter>>[] = [];
  for (const [name, path, isOwn] of [
    ...own.map(([name, path]) => [name, path, true] as const),
    ...Object.entries(paths).map(([name, path]) => [name, path, false] as const),
  ]) {
    try {
      checkAdapter(name, path);
      const found = await openAdapter(name, path, model, ADAPTER_KINDS);
      const { kind, adapter } = found;
      for (const net of netNames) {
        const file = model.files.nets[net];
        const patches = file ? (kind.patches?.(net, [adapter], 'cpu') ?? []) : [];
        if (!file || patches.length === 0) continue;
        graphs[net] ??= model.headers[net]?.graph ?? (await readOnnxGraph(file.path));
        applyPatches(graphs[net], patches);
      }
      opened.push(found);
      const { picture, variant } = adapter;
      reports.push({ name, path, isOwn, kind: adapter.kind, ...(picture && { picture }), ...(variant && { variant }) });
    } catch (thrown) {
      reports.push({ name, path, isOwn, problem: EngineError.from(thrown, 'EBADMODEL').message });
    }
  }
  const names = reports.map(({ name }) => name);
  const unet = model.files.nets.unet?.path ?? model.files.folder;
  for (const { adapter } of adaptersInModel(model.headers, names, opened, ADAPTER_KINDS))
    reports.push({ name: adapter.name, path: unet, isOwn: true, kind: adapter.kind, ...(adapter.picture && { picture: adapter.picture }) });
  return reports;
}
