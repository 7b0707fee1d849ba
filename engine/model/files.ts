import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { readJson, type Json } from '../util/json-file';
import { placed } from '../util/place';
import { type OtherAutoencoder, otherAutoencoder } from './autoencoder';
import { findNet, type NetFiles } from './layouts';
import { Reach } from './reach';
import { factsOf, netNames, type NetName } from './roles';

/** The files of a model folder. */
export interface ModelFiles {
  folder: string;
  /** The folders that its files may be in. */
  reach: Reach;
  nets: Partial<Record<NetName, NetFiles>>;
  /** The autoencoder from elsewhere, if it is not the model's own. */
  autoencoder?: OtherAutoencoder;
  /** The model's own nets that it replaced. */
  replaced: Partial<Record<NetName, NetFiles>>;
  schedulerConfig: Json;
  /** The folders that may hold tokenizers, of the first and the second text encoder. */
  tokenizers: [string, string];
}

/** The folder of `model`: a path, or this package's own model for `'starter'`. */
export function modelFolder(model: string): string {
  return model === 'starter' ? join(packageFolder(), 'models', 'starter') : model;
}

/** The package's folder. Compiled files are one folder deeper than the sources, in dist/. */
function packageFolder(): string {
  const up = join(__dirname, '..', '..');
  return /[\\/]dist$/.test(up) ? dirname(up) : up;
}

/**
 * Finds the files of a model folder, and reads its configs.
 *
 * Rejects with ENOMODEL when there is no such folder, or no autoencoder in the chosen one, with EBADMODEL when a config is not
 * JSON, or a link leads out of reach.
 *
 * @param chosen a folder whose autoencoder replaces the model's
 */
export async function findFiles(folder: string, chosen?: string): Promise<ModelFiles> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new EngineError(
      'ENOMODEL',
      `no model folder at ${placed(folder)}; expected there are text_encoder, unet, vae_encoder and vae_decoder, each with a model.onnx (diffusers ONNX layout)`,
    );
  }
  const reach = await Reach.of(folder);
  const autoencoder = await otherAutoencoder(folder, reach, chosen === undefined ? undefined : modelFolder(chosen));
  const [nets, replaced]: ModelFiles['nets'][] = [{}, {}];
  for (const name of netNames) {
    const [own, other] = [await findNet(folder, name, reach), autoencoder?.nets[name]];
    if (own) nets[name] = own;
    if (other) nets[name] = other;
    if (own && other) replaced[name] = own;
  }
  const scheduler = await firstJson([join(folder, 'scheduler', 'scheduler_config.json'), join(folder, 'scheduler_config.json')], reach);
  const hasFolder = (await readdir(folder)).includes('tokenizer');
  return {
    folder,
    reach,
    nets,
    ...(autoencoder && { autoencoder }),
    replaced,
    schedulerConfig: scheduler ?? {},
    tokenizers: [hasFolder ? join(folder, 'tokenizer') : folder, join(folder, 'tokenizer_2')],
  };
}

/** The missing nets that every stream needs, as paths in the folder. vae_encoder is for img2img only. */
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
