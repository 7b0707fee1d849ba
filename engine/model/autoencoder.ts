import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { findNet, type NetFiles, subfolders } from './layouts';
import { Reach } from './reach';
import { isAutoencoder, type NetName, netNames } from './roles';

/** The names of a folder in a model's folder with another autoencoder, usually a tiny one, which is then used. */
export const OWN_AUTOENCODER = /^(taesd|tae|vae[_-]tiny|tiny[_-]vae|autoencoder$)/i;

/** An autoencoder in a folder of its own, which replaces the model's. */
export interface OtherAutoencoder {
  /** The folder as it was given, or the one in the model's folder. */
  folder: string;
  nets: Partial<Record<NetName, NetFiles>>;
  reach: Reach;
}

/**
 * The autoencoder that is used instead of a model's own.
 *
 * Rejects with ENOMODEL when there is none in the chosen folder, with EBADMODEL as finding a net does.
 *
 * @param model the model's folder
 * @param chosen a folder with `vae_encoder` and `vae_decoder`, or one of the two. By default, the one in the model's folder, if there is one.
 */
export async function otherAutoencoder(model: string, reach: Reach, chosen: string | undefined): Promise<OtherAutoencoder | undefined> {
  if (chosen === undefined) {
    const own = (await subfolders(model)).find((name) => OWN_AUTOENCODER.test(name));
    return own === undefined ? undefined : { folder: own, nets: await halvesIn(join(model, own), reach), reach };
  }
  if (!(await stat(chosen).catch(() => undefined))?.isDirectory())
    throw new EngineError(
      'ENOMODEL',
      `no folder at ${chosen}for the autoencoder; give the path of one, or leave the field empty for the model's own`,
    );
  const itsReach = await Reach.of(chosen);
  // Another model's folder stands for the autoencoder that that model uses, which may be a tiny one beside its own.
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
