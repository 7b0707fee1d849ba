import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors';
import type { Json } from '../util/json-file';
import { isTiny, latentSpace, scaleFactor } from './configs';
import type { ModelFiles } from './files';
import type { Headers } from './headers';
import { findNet, type NetFiles, subfolders } from './layouts';
import { Reach } from './reach';
import { isAutoencoder, type NetName, netNames } from './roles';

/** A folder beside the other nets of a model with an autoencoder, mostly a tiny one; being there, it is wanted. */
export const OWN_AUTOENCODER = /^(taesd|tae|vae[_-]tiny|tiny[_-]vae|autoencoder$)/i;

/** An autoencoder in a folder of its own, which takes the place of the model's. */
export interface OtherAutoencoder {
  /** As it was given, or the folder in the model's. */
  folder: string;
  nets: Partial<Record<NetName, NetFiles>>;
  reach: Reach;
}

/**
 * The autoencoder that a model is to be used with instead of its own full one.
 *
 * Rejects with ENOMODEL when there is none in the chosen folder, with EBADMODEL as finding a net does.
 *
 * @param model the model's folder
 * @param chosen another one's: a folder with `vae_encoder` and `vae_decoder`, or one of the two; else what lies in the model's own counts
 */
export async function otherAutoencoder(model: string, reach: Reach, chosen: string | undefined): Promise<OtherAutoencoder | undefined> {
  if (chosen === undefined) {
    const own = (await subfolders(model)).find((name) => OWN_AUTOENCODER.test(name));
    return own === undefined ? undefined : { folder: own, nets: await halvesIn(join(model, own), reach), reach };
  }
  if (!(await stat(chosen).catch(() => undefined))?.isDirectory())
    throw new EngineError(
      'ENOMODEL',
      `no folder at ${chosen}, where the autoencoder is to be; give the path of one, or leave the model its own`,
    );
  const itsReach = await Reach.of(chosen);
  // That of another model as that uses it: with a tiny one beside its full one, the tiny one.
  const beside = await otherAutoencoder(chosen, itsReach, undefined);
  const nets = { ...(await halvesIn(chosen, itsReach)), ...beside?.nets };
  if (Object.keys(nets).length > 0) return { folder: chosen, nets, reach: itsReach };
  throw new EngineError('ENOMODEL', `${chosen} has no autoencoder: neither vae_encoder/model.onnx nor vae_decoder/model.onnx`);
}

/** Of a net that is not looked at: without a config that says otherwise its autoencoder is a full one. */
const UNKNOWN_NET = new Set(['Softmax']);

const says = (config: Json): boolean => Object.keys(config).length > 0;

async function halvesIn(folder: string, reach: Reach): Promise<OtherAutoencoder['nets']> {
  const nets: OtherAutoencoder['nets'] = {};
  for (const name of netNames.filter(isAutoencoder)) {
    const net = await findNet(folder, name, reach);
    if (net) nets[name] = net;
  }
  return nets;
}

/**
 * Whether pictures and latents are to an autoencoder from elsewhere what they are to the model, as far as configs tell: how many
 * channels latents have, how much smaller they are, and, of two full ones, how they are scaled. What is tiny has its own scale.
 *
 * @param channels of the UNet's latents
 * @param xl whether the model is an SDXL one
 * @throws EBADMODEL where they do not fit
 */
export function checkAutoencoder({ nets, autoencoder, replaced }: ModelFiles, headers: Headers, channels: number, xl: boolean): void {
  if (!autoencoder) return;
  const misfit = (what: string): EngineError =>
    new EngineError('EBADMODEL', `the autoencoder in ${autoencoder.folder} ${what}: it belongs to another family of models`);
  for (const name of Object.keys(autoencoder.nets) as NetName[]) {
    const [theirs, ours] = [nets[name]?.config ?? {}, replaced[name]?.config ?? {}];
    const net = headers[name];
    const side = name === 'vae_encoder' ? net?.outputs : net?.inputs;
    const given = side?.find(({ shape }) => shape.length === 4)?.shape[1];
    const isTheirsTiny = isTiny(theirs, net?.operators ?? new Set());
    const space = latentSpace(theirs, channels, isTheirsTiny, xl);
    // An encoder of a distribution gives means and variances.
    const counts = [space.channels, typeof given !== 'number' || (name === 'vae_encoder' && given === 2 * channels) ? channels : given];
    const wrong = counts.find((count) => count !== channels);
    if (wrong !== undefined) throw misfit(`makes latents of ${wrong} channels, but the unet takes ${channels}`);
    if (!says(theirs) || !says(ours)) continue;
    if (scaleFactor(theirs) !== scaleFactor(ours))
      throw misfit(`makes latents ${scaleFactor(theirs)} times smaller than pictures, the model's own ${scaleFactor(ours)} times`);
    const own = latentSpace(ours, channels, false, xl);
    if (isTheirsTiny || isTiny(ours, UNKNOWN_NET) || (space.scale === own.scale && space.shift === own.shift)) continue;
    throw misfit(`scales latents by ${space.scale}, the model's own by ${own.scale}`);
  }
}
