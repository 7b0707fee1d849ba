import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { readJson, type Json } from '../json-file';

/** The nets of a model, each in a subfolder of its name, in the order in which they are opened. */
export const netNames = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'] as const;
export type NetName = (typeof netNames)[number];

/** One net of a model folder. */
export interface NetFiles {
  /** Its .onnx file. */
  path: string;
  /** Of the .onnx and all beside it: large models keep their weights in files of their own. */
  bytes: number;
  config: Json;
}

/** A model folder in the diffusers ONNX layout. */
export interface ModelFiles {
  folder: string;
  nets: Partial<Record<NetName, NetFiles>>;
  schedulerConfig: Json;
}

/** The folder that `model` means: a path as it is, or the model of this package for `'starter'`. */
export function modelFolder(model: string): string {
  return model === 'starter' ? join(packageFolder(), 'models', 'starter') : model;
}

/** The compiled files lie one folder deeper than the sources, in dist/. */
function packageFolder(): string {
  const up = join(__dirname, '..', '..');
  return /[\\/]dist$/.test(up) ? dirname(up) : up;
}

/**
 * Finds what lies in a model folder, and reads its configs.
 *
 * Rejects with ENOMODEL when there is no such folder, with EBADMODEL when a config is not JSON.
 */
export async function findFiles(folder: string): Promise<ModelFiles> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new EngineError(
      'ENOMODEL',
      `no model folder at ${folder}; expected there are text_encoder, unet, vae_encoder and vae_decoder, each with a model.onnx (diffusers ONNX layout)`,
    );
  }
  const nets: ModelFiles['nets'] = {};
  for (const name of netNames) {
    const files = await findNet(join(folder, name));
    if (files) nets[name] = files;
  }
  return { folder, nets, schedulerConfig: (await readJson(join(folder, 'scheduler', 'scheduler_config.json'))) ?? {} };
}

/** The nets that no stream can do without and that are not there, as paths in the folder. vae_encoder is for img2img only. */
export function missingNets({ nets }: ModelFiles): string[] {
  return netNames.filter((name) => name !== 'vae_encoder' && !nets[name]).map((name) => join(name, 'model.onnx'));
}

async function findNet(folder: string): Promise<NetFiles | undefined> {
  const path = join(folder, 'model.onnx');
  const file = await stat(path).catch(() => undefined);
  if (!file?.isFile()) return undefined;
  return { path, bytes: await weightBytes(folder), config: (await readJson(join(folder, 'config.json'))) ?? {} };
}

async function weightBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.json')) bytes += (await stat(join(folder, name))).size;
  }
  return bytes;
}
