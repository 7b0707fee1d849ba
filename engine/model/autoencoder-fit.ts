import { EngineError } from '../errors';
import type { Json } from '../util/json-file';
import { isTiny, latentSpace, scaleFactor } from './configs';
import type { ModelFiles } from './files';
import type { Headers } from './headers';
import type { NetName } from './roles';

/** The operators assumed for a net that is not read: unless its config says otherwise, the autoencoder is a full one. */
const UNKNOWN_NET = new Set(['Softmax']);

const says = (config: Json): boolean => Object.keys(config).length > 0;

/**
 * Checks, as far as configs tell, that an autoencoder from elsewhere has the model's latents: their channels, their size, and
 * for two full autoencoders their scale. A tiny one has its own scale.
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
    // An encoder of a distribution outputs means and variances.
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
