import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../engine/errors';
import type { Net, Tensor } from '../../engine/net/net';
import { field } from '../../engine/net/onnx/protobuf';
import { ServerNet } from '../../engine/net/server/server-net';
import { InferenceServer } from './inference-server';
import { Dice } from './dice';
import { mutate } from './mutations';
import { PATIENCE } from './until';

export interface ReplyFuzz {
  replies: number;
  /** Counts by error code; 'none' for runs that were answered. */
  endings: Record<string, number>;
  /** Runs that ended in another way, or not within a minute. */
  faults: string[];
  /** Resident memory at the beginning and at its peak, bytes. */
  memory: { before: number; peak: number };
}

const INPUTS: Net['inputs'] = [{ name: 'sample', type: 'float32', shape: ['batch', 4, 'h', 'w'] }];
const OUTPUTS: Net['outputs'] = [{ name: 'out_sample', type: 'float32', shape: ['batch', 4, 'h', 'w'] }];
const RUN: Record<string, Tensor> = { sample: { type: 'float32', data: new Float32Array(2 * 4 * 2 * 2).fill(0.5), dims: [2, 4, 2, 2] } };

const net: Net = {
  inputs: INPUTS,
  outputs: OUTPUTS,
  run: ({ sample }) => Promise.resolve({ out_sample: sample }),
  close: () => Promise.resolve(),
};

/** Bytes that no net answers but some program might; parts of them get into answers. */
const STRANGE: readonly Buffer[] = [
  Buffer.from('['.repeat(5000)),
  Buffer.from(`{"inputs":${JSON.stringify([{ name: 'x'.repeat(2000), datatype: 'FP32', shape: new Array(500).fill(1e308) }])}}`),
  Buffer.from('{"instance_group":[null,{"count":1e308}],"max_batch_size":0.0001,"parameters":[]}'),
  Buffer.from('{"outputs":[null,1,{"name":{},"shape":[[]]}],"id":[],"model_version":{}}'),
  Buffer.from('<html><body>502 Bad Gateway</body></html>'),
  Buffer.alloc(3000, 0xff),
  Buffer.alloc(3000),
  Buffer.concat(Array.from({ length: 3000 }, () => field(4, field(1, 'x')))),
  Buffer.concat(Array.from({ length: 64 }).reduce<Buffer[]>((inner) => [field(1, Buffer.concat(inner))], [Buffer.of(8, 1)])),
];

/** Asks a server that answers with damaged descriptions, settings, lists and runs, each time for a net and one run of it. */
export async function fuzzReplies(protocol: 'http' | 'grpc', replies: number, seed: number): Promise<ReplyFuzz> {
  const server = await InferenceServer.start({ tiny: { net, maxRows: 2, fingerprint: 'right' } }, { protocol });
  const dice = new Dice(seed);
  globalThis.gc?.();
  const rss = (): number => process.memoryUsage.rss();
  const result: ReplyFuzz = { replies, endings: {}, faults: [], memory: { before: rss(), peak: 0 } };
  let distorted = 0;
  while (distorted < replies) {
    // Chance decides what is damaged: the description, its settings, the extensions or the run itself.
    let skip = dice.below(4);
    server.distort = (bytes) => {
      if (skip-- > 0) return bytes;
      distorted++;
      return mutate(bytes, dice, STRANGE);
    };
    const code = await Promise.race([once(server.address, dice.below(4) === 0), sleep(PATIENCE, 'NEVER')]);
    result.endings[code] = (result.endings[code] ?? 0) + 1;
    if (!['none', 'ENETWORK', 'EBADMODEL', 'ETIMEOUT'].includes(code)) result.faults.push(`reply ${distorted} of seed ${seed}: ${code}`);
    result.memory.peak = Math.max(result.memory.peak, rss());
  }
  server.distort = undefined;
  // It is answered, however busy this machine is.
  const last = await once(server.address, false, PATIENCE);
  if (last !== 'none') result.faults.push(`a sound reply at the end: ${last}`);
  await server.stop();
  return result;
}

async function once(address: string, sharedMemory: boolean, timeoutMs = 2000): Promise<string> {
  let opened: ServerNet | undefined;
  try {
    opened = await ServerNet.open(
      'tiny',
      { inputs: INPUTS, outputs: OUTPUTS, fingerprint: () => Promise.resolve('right') },
      { addresses: [address], timeoutMs, sharedMemory },
    );
    const { out_sample: output } = await opened.run(RUN);
    return output.data.length === 32 && output.dims.join() === '2,4,2,2' ? 'none' : `an output of ${output.dims.join()}`;
  } catch (thrown) {
    return thrown instanceof EngineError && thrown.message.length < 2000 ? thrown.code : String((thrown as Error).stack).slice(0, 500);
  } finally {
    await opened?.close();
  }
}
