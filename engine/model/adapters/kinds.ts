import type { AdapterKind } from './adapter';
import { controlNets } from './controlnet';
import { ipAdapters } from './ip-adapter';
import { loras } from './lora';

/** All kinds of adapters, in the order in which they change a graph. */
export const ADAPTER_KINDS: readonly AdapterKind[] = [controlNets, ipAdapters, loras];
