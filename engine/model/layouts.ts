import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { readJson, type Json } from '../util/json-file';
import type { TensorRanges } from '../net/onnx/patches/int8';
import type { Reach } from './reach';
import { factsOf, type NetName } from './roles';

/** One net of a model folder. */
export interface NetFiles {
  /** Its .onnx file. */
  path: string;
  /** The size of the .onnx file and its weights: large models keep these in separate files. */
  bytes: number;
  config: Json;
  /** The calibration ranges of its tensors for int8, from int8.json beside it. */
  ranges?: TensorRanges;
}

/**
 * Finds a net in a model folder: in a subfolder of its name, as model.onnx or the only .onnx file there (the layout of
 * diffusers); or under its name beside the others, also in a subfolder `onnx`. Rejects with EBADMODEL where its files are
 * links that lead out of reach.
 */
export async function findNet(folder: string, name: NetName, reach: Reach): Promise<NetFiles | undefined> {
  return (
    (await netIn(join(folder, name), reach)) ?? (await flatNet(folder, name, reach)) ?? (await flatNet(join(folder, 'onnx'), name, reach))
  );
}

export async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
}

/** The net in a folder of its own: model.onnx, or the only .onnx there. */
export async function netIn(folder: string, reach: Reach): Promise<NetFiles | undefined> {
  const name = netAlone(await onnxFiles(folder));
  if (name === undefined) return undefined;
  for (const file of [name, 'config.json', 'int8.json']) await reach.check(join(folder, file));
  const config = (await readJson(join(folder, 'config.json'))) ?? {};
  const ranges = await rangesIn(join(folder, 'int8.json'));
  return {
    path: join(folder, name),
    bytes: await weightBytes(folder, name, (other) => !/\.(json|onnx)$/.test(other)),
    config,
    ...(ranges && { ranges }),
  };
}

/** A net as a single .onnx file, with the files beside it that are named after it. */
export async function netFile(path: string): Promise<NetFiles> {
  return { path, bytes: await weightBytes(dirname(path), basename(path), (other) => other.startsWith(basename(path))), config: {} };
}

/** { "ranges": { TENSOR: [smallest, largest value] } }; undefined when there is no such file. */
async function rangesIn(path: string): Promise<TensorRanges | undefined> {
  const json = await readJson<{ ranges?: unknown }>(path);
  if (!json) return undefined;
  const { ranges } = json;
  const isRange = (value: unknown): boolean =>
    Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] <= value[1];
  if (typeof ranges === 'object' && ranges !== null && Object.values(ranges).every(isRange)) return ranges as TensorRanges;
  throw new EngineError('EBADMODEL', `${path} must be { "ranges": { TENSOR: [smallest, largest value] } }; write it again or remove it`);
}

async function flatNet(folder: string, net: NetName, reach: Reach): Promise<NetFiles | undefined> {
  const name = netAmong(await onnxFiles(folder), net);
  if (name === undefined) return undefined;
  await reach.check(join(folder, name));
  return { path: join(folder, name), bytes: await weightBytes(folder, name, (other) => other.startsWith(name)), config: {} };
}

/** The .onnx file in a net's own folder that is the net. */
export function netAlone(names: string[]): string | undefined {
  if (names.includes('model.onnx')) return 'model.onnx';
  return names.length === 1 ? names[0] : undefined;
}

/** The .onnx file that is a net of this kind, among the files of several nets. */
export function netAmong(names: string[], net: NetName): string | undefined {
  const plain = (name: string): string =>
    name
      .replace(/\.onnx$/, '')
      .toLowerCase()
      .replaceAll(/[-.]/g, '_');
  // Of several variants, the one with the shortest name is taken: the longer names say what is special about the others.
  return names.filter((name) => factsOf(net).flatName.test(plain(name))).sort((a, b) => a.length - b.length)[0];
}

async function onnxFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith('.onnx'));
}

/** The size of a net and of the files beside it that hold its weights, bytes. */
async function weightBytes(folder: string, net: string, holdsWeights: (name: string) => boolean): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    if (name === net || holdsWeights(name)) bytes += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
