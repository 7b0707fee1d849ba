import assert from 'node:assert/strict';
import { EngineError } from '../../engine/errors';
import { toFloat16 } from '../../engine/net/float16';
import type { Net, Tensor } from '../../engine/net/net';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import type { ServerAccess } from '../../engine/net/server/options';
import { ServerNet } from '../../engine/net/server/server-net';
import { InferenceServer, type StartOptions } from './inference-server';
import { tinyUnet } from './onnx-maker';
import { PATIENCE } from './until';

/** Of the nets that are expected on the server. */
export const fingerprint = (): Promise<string> => Promise.resolve('right');

/** Inputs of a UNet for latents of 6 × 5. */
export function feeds(rows: number, type: 'float32' | 'float16' = 'float32'): Record<string, Tensor> {
  const tensor = (length: number, dims: number[]): Tensor => {
    const values = Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7 + rows));
    return { type, data: type === 'float16' ? toFloat16(values) : values, dims };
  };
  return {
    sample: tensor(rows * 4 * 6 * 5, [rows, 4, 6, 5]),
    timestep: { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(3 - i)), dims: [rows] },
    encoder_hidden_states: tensor(rows * 7 * 32, [rows, 7, 32]),
  };
}

/** Does it again while this machine is too busy for its short deadline. */
export async function inTime<T>(work: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + PATIENCE; ; ) {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof EngineError && thrown.code === 'ETIMEOUT') || performance.now() > end) throw thrown;
    }
  }
}

/** The code of the error, after a check that its message says what is the matter. */
export async function failure(run: Promise<unknown>, says: RegExp): Promise<string> {
  const thrown: unknown = await run.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof EngineError, String(thrown));
  assert.match(thrown.message, says);
  return thrown.code;
}

/** A server that has two nets of this machine, `tiny` and `half`. */
export interface ServedNets {
  /** The nets here: in float32, and in float16. */
  readonly local: OnnxNet;
  readonly half: OnnxNet;
  readonly server: InferenceServer;
  /** What {@link open} has opened, which is closed after the test. */
  readonly opened: ServerNet[];
  /** Starts another server, which is ended after the test. */
  start(options?: Pick<StartOptions, 'port' | 'tls'>): Promise<InferenceServer>;
  open(settings?: Partial<ServerAccess>, model?: string, expected?: Net): Promise<ServerNet>;
}

/** Serves the nets anew for each test of a `describe`. */
export function setServedNets(protocol: 'http' | 'grpc'): ServedNets {
  let local: OnnxNet;
  let half: OnnxNet;
  let server: InferenceServer;
  const opened: ServerNet[] = [];
  const servers: InferenceServer[] = [];

  const start = async (options: Pick<StartOptions, 'port' | 'tls'> = {}): Promise<InferenceServer> => {
    const started = await InferenceServer.start({ tiny: { net: local }, half: { net: half } }, { ...options, protocol });
    servers.push(started);
    return started;
  };
  const open = async (
    settings: Partial<ServerAccess> = {},
    model = 'tiny',
    expected: Net = model === 'half' ? half : local,
  ): Promise<ServerNet> => {
    const net = await ServerNet.open(
      model,
      { inputs: expected.inputs, outputs: expected.outputs, fingerprint },
      { addresses: [server.address], ...settings },
    );
    opened.push(net);
    return net;
  };

  before(async () => {
    local = await OnnxNet.load(tinyUnet(), { executionProvider: 'cpu' });
    half = await OnnxNet.load(tinyUnet({ type: 'float16' }), { executionProvider: 'cpu' });
  });
  beforeEach(async () => {
    server = await start();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((net) => net.close()));
    await Promise.all(servers.splice(0).map((one) => one.stop().catch(() => undefined)));
  });
  after(() => Promise.all([local.close(), half.close()]));

  return {
    get local() {
      return local;
    },
    get half() {
      return half;
    },
    get server() {
      return server;
    },
    opened,
    start,
    open,
  };
}
