import { availableParallelism } from 'node:os';
import { isAutoencoder, useOf } from './roles';
import type { OpeningNet } from './model';
import { NetPool } from '../net/pool/net-pool';
import type { OpenNet } from '../net/pool/net-thread';

/**
 * Up to this size of all nets together, bytes, each of two threads gets a copy of every net. A small net gains little from a
 * second core: most of its operators are too short to be divided.
 */
const SMALL_MODEL = 100e6;

/** The size of the pool, the members that run a net, and the threads of each; undefined threads leave that to ONNX Runtime. */
export interface NetPlan {
  size: number;
  members: number[];
  intraOpNumThreads: number | undefined;
}

/**
 * Where a net is best run; nets that only run for new prompts need no second copy:
 * - nets of a small model on the CPU: by two members with half of the cores each, whichever is free;
 * - nets of a large model on the CPU: on all cores, one net after the other;
 * - on other providers: the autoencoder in parallel with the other nets, since the device computes.
 *
 * @param cores the number of cores to use; undefined for all
 */
export function planNet({ name, executionProvider, totalBytes }: OpeningNet, cores: number | undefined): NetPlan {
  if (executionProvider !== 'cpu') return { size: 2, members: [isAutoencoder(name) ? 1 : 0], intraOpNumThreads: cores };
  const half = Math.floor((cores ?? availableParallelism()) / 2);
  if (totalBytes > SMALL_MODEL || half === 0) return { size: 1, members: [0], intraOpNumThreads: cores };
  return { size: 2, members: useOf(name).runs === 'prompt' ? [0] : [0, 1], intraOpNumThreads: half };
}

/** Opens the nets of one model in threads of their own, which last as long as the process. */
export function openPlanned(cores: number | undefined): (net: OpeningNet) => OpenNet {
  let pool: NetPool | undefined;
  return (net) => {
    const { size, members, intraOpNumThreads } = planNet(net, cores);
    pool ??= new NetPool(size);
    const shared = pool;
    return (source, session, title) => shared.load(members, source, { ...session, intraOpNumThreads }, title);
  };
}
