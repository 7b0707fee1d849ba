import { availableParallelism } from 'node:os';
import { isAutoencoder, useOf } from './roles';
import type { OpeningNet } from './model';
import { NetPool } from '../net/pool/net-pool';
import type { OpenNet } from '../net/pool/net-thread';

/**
 * Up to this size of all nets together each of two threads gets a copy of every net, bytes. A small net gains little from
 * a second core: most of its operators are too short to be divided.
 */
const SMALL_MODEL = 100e6;

/** Which members of a pool of how many run a net, and on how many threads each. Undefined leaves that to ONNX Runtime. */
export interface NetPlan {
  size: number;
  members: number[];
  intraOpNumThreads: number | undefined;
}

/**
 * Where a net is best run; what runs for new prompts alone needs no second copy:
 * - of a small model on the CPU: by two members with half of the cores each, whichever is free;
 * - of a large one on the CPU: on all cores, one net after the other;
 * - elsewhere: the autoencoder beside the other nets, since it is the device that computes.
 *
 * @param cores that may be used; undefined: all there are
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
