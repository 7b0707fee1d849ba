import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors';
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

async function halvesIn(folder: string, reach: Reach): Promise<OtherAutoencoder['nets']> {
  const nets: OtherAutoencoder['nets'] = {};
  for (const name of netNames.filter(isAutoencoder)) {
    const net = await findNet(folder, name, reach);
    if (net) nets[name] = net;
  }
  return nets;
}
