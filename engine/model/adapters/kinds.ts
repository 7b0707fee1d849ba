import type { AdapterKind } from './adapter';
import { bakedControlNets } from './baked-control';
import { bakedIpAdapters } from './baked-ip-adapter';
import { controlNets } from './controlnet';
import { controlNexts } from './controlnext';
import { ipAdapters } from './ip-adapter';
import { loras } from './lora';
import { t2iAdapters } from './t2i-adapter';

/** All kinds of adapters, in the order in which they change a graph; of two that know a file, the first takes it. */
export const ADAPTER_KINDS: readonly AdapterKind[] = [
  controlNexts,
  t2iAdapters,
  bakedControlNets,
  controlNets,
  bakedIpAdapters,
  ipAdapters,
  loras,
];
