import { EngineError } from '../../../errors';
import { hiddenStates } from './hidden-states';
import type { ClaimPort, Port, UnetFacts } from './port';
import { sample } from './sample';
import { textEmbeds } from './text-embeds';
import { timeIds } from './time-ids';
import { timestep } from './timestep';
import { timestepCond } from './timestep-cond';

/** What every engine knows to fill of a UNet's inputs. */
const PORTS: readonly ClaimPort[] = [timestep, sample, hiddenStates, textEmbeds, timeIds, timestepCond];

/**
 * The ports of a UNet.
 *
 * @param further of adapters; inputs that they claim are no others': an adapter may add something to what the UNet attends to
 * @throws EBADMODEL when it needs an input that no port knows
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
