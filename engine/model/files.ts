import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { readJson, type Json } from '../util/json-file';
import { findNet, type NetFiles, subfolders } from './layouts';
import { Reach } from './reach';
import { factsOf, isAutoencoder, netNames, type NetName } from './roles';

/** What lies where in a model folder. */
export interface ModelFiles {
  folder: string;
  /** Where its files may lie. */
  reach: Reach;
  nets: Partial<Record<NetName, NetFiles>>;
  schedulerConfig: Json;
  /** Folders that may hold a tokenizer; the second is of the second text encoder. */
  tokenizers: [string, string];
}

/** A tiny autoencoder in a folder of its own beside the other nets; being there, it is wanted. */
export const TINY_AUTOENCODER = /^(taesd|tae|vae[_-]tiny|tiny[_-]vae)/i;

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
 * Rejects with ENOMODEL when there is no such folder, with EBADMODEL when a config is not JSON, or a link leads out of reach.
 */
export async function findFiles(folder: string): Promise<ModelFiles> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new EngineError(
      'ENOMODEL',
      `no model folder at ${folder}; expected there are text_encoder, unet, vae_encoder and vae_decoder, each with a model.onnx (diffusers ONNX layout)`,
    );
  }
  const reach = await Reach.of(folder);
  const tiny = (await subfolders(folder)).find((name) => TINY_AUTOENCODER.test(name));
  const nets: ModelFiles['nets'] = {};
  for (const name of netNames) {
    const own = tiny !== undefined && isAutoencoder(name) ? await findNet(join(folder, tiny), name, reach) : undefined;
    const files = own ?? (await findNet(folder, name, reach));
    if (files) nets[name] = files;
  }
  const scheduler = await firstJson([join(folder, 'scheduler', 'scheduler_config.json'), join(folder, 'scheduler_config.json')], reach);
  const hasFolder = (await readdir(folder)).includes('tokenizer');
  return {
    folder,
    reach,
    nets,
    schedulerConfig: scheduler ?? {},
    tokenizers: [hasFolder ? join(folder, 'tokenizer') : folder, join(folder, 'tokenizer_2')],
  };
}

/** The nets that no stream can do without and that are not there, as paths in the folder. vae_encoder is for img2img only. */
export function missingNets({ nets }: ModelFiles): string[] {
  return netNames.filter((name) => factsOf(name).needed === 'always' && !nets[name]).map((name) => join(name, 'model.onnx'));
}

async function firstJson(paths: string[], reach: Reach): Promise<Json | undefined> {
  for (const path of paths) {
    await reach.check(path);
    const json = await readJson(path);
    if (json) return json;
  }
  return undefined;
}
