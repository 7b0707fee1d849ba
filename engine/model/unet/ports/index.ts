import { EngineError } from '../../../errors';
import { hiddenStates } from './hidden-states';
import type { ClaimPort, Port, UnetFacts } from './port';
import { sample } from './sample';
import { textEmbeds } from './text-embeds';
import { timeIds } from './time-ids';
import { timestep } from './timestep';
import { timestepCond } from './timestep-cond';

/** The ports that every engine has. */
const PORTS: readonly ClaimPort[] = [timestep, sample, hiddenStates, textEmbeds, timeIds, timestepCond];

/**
 * The ports of a UNet.
 *
 * @param further the ports of adapters, which come first: an adapter may add to the embeddings that the UNet attends to
 * @throws EBADMODEL when the UNet has an input that no port claims
 */
export function portsOf(unet: UnetFacts, further: readonly ClaimPort[] = []): Port[] {
  const ofAdapters = further.flatMap((claim) => claim(unet) ?? []);
  const taken = new Set(ofAdapters.flatMap(({ inputs }) => inputs));
  const own = PORTS.flatMap((claim) => claim(unet) ?? []).filter(({ inputs }) => !inputs.some((info) => taken.has(info)));
  const ports = [...own, ...ofAdapters];
  const claimed = new Set(ports.flatMap(({ inputs }) => inputs));
  const unknown = unet.inputs.find((info) => !claimed.has(info));
  if (!unknown) return ports;
  throw new EngineError(
    'EBADMODEL',
    `unet needs the input "${unknown.name}", which belongs to another family of models; use one shaped like Stable Diffusion 1, 2 or XL`,
  );
}
