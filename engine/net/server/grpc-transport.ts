import { rootCertificates } from 'node:tls';
import { type ChannelOptions, Client, connectivityState, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  decodeConfig,
  decodeExtensions,
  decodeMetadata,
  decodeRegions,
  decodeRun,
  encodeRegister,
  encodeRun,
  nameOnly,
} from './grpc-messages';
import { decoded, LARGEST_DESCRIPTION, LARGEST_RUN } from './bounds';
import type { Access, Address } from './options';
import {
  type InferAnswer,
  type InferRequest,
  type ModelHead,
  nonsense,
  refusal,
  type ServerFailure,
  tooSlow,
  type Transport,
  unreachable,
} from './transport';

const SERVICE = '/inference.GRPCInferenceService/';
/** What a server may send before it must wait, bytes: HTTP/2's own 64 kB would stop it several times a picture. */
const WINDOW = 8 * 2 ** 20;
const OPTIONS: ChannelOptions = {
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': WINDOW,
  // A server that was away is asked again as soon as its replica's rest is over.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 400,
  // As over HTTP: an inference server is not looked for behind a proxy, nor its settings in the DNS.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Each net has a connection of its own, whose end concerns that net alone.
  'grpc.use_local_subchannel_pool': 1,
};

/** What gRPC's codes are called in HTTP. */
const HTTP_STATUS: Partial<Record<status, number>> = {
  [status.INVALID_ARGUMENT]: 400,
  [status.OUT_OF_RANGE]: 400,
  [status.UNAUTHENTICATED]: 401,
  [status.PERMISSION_DENIED]: 403,
  [status.NOT_FOUND]: 404,
  [status.RESOURCE_EXHAUSTED]: 429,
};

/** The protocol over gRPC. */
export class GrpcTransport implements Transport {
  private client: Client;
  private readonly metadata = new Metadata();
  private runs = 0;

  /**
   * @param onLost called whenever the connection has ended: who listens there next may be another server
   * @param largest what the answer to a run may have, bytes, also after it was decompressed
   */
  constructor(
    private readonly address: Address,
    private readonly access: Access,
    private readonly onLost: () => void,
    private readonly largest = LARGEST_RUN,
  ) {
    for (const [name, value] of Object.entries(access.headers)) this.metadata.set(name, value);
    this.client = this.connect();
  }

  async describe(model: string, deadlineMs: number): Promise<ModelHead> {
    const heads = await this.ask('ModelMetadata', nameOnly(model), deadlineMs, (bytes) => decodeMetadata(bytes, this.address.text));
    try {
      return { ...heads, ...(await this.ask('ModelConfig', nameOnly(model), deadlineMs, decodeConfig)) };
    } catch (thrown) {
      // Of Triton's own; other servers know no such thing and no such limits.
      if ((thrown as { cause?: Partial<ServiceError> }).cause?.code === status.UNIMPLEMENTED) return heads;
      throw thrown;
    }
  }

  async infer(request: InferRequest, deadlineMs: number): Promise<InferAnswer> {
    const id = String(this.runs++);
    const { text } = this.address;
    const answer = await this.call('ModelInfer', encodeRun(request, id), deadlineMs);
    return decoded(text, () => decodeRun(answer, id, text));
  }

  async extensions(deadlineMs: number): Promise<string[]> {
    return this.ask('ServerMetadata', Buffer.alloc(0), deadlineMs, decodeExtensions);
  }

  async registerMemory(name: string, bytes: number, deadlineMs: number): Promise<void> {
    await this.call('SystemSharedMemoryRegister', encodeRegister(name, bytes), deadlineMs);
  }

  async unregisterMemory(name: string, deadlineMs: number): Promise<void> {
    await this.call('SystemSharedMemoryUnregister', nameOnly(name), deadlineMs);
  }

  async memoryRegions(deadlineMs: number): Promise<string[]> {
    return this.ask('SystemSharedMemoryStatus', Buffer.alloc(0), deadlineMs, decodeRegions);
  }

  close(): void {
    this.client.close();
  }

  /** A question whose answer is small. */
  private async ask<T>(method: string, message: Buffer, deadlineMs: number, decode: (bytes: Buffer) => T): Promise<T> {
    const { text } = this.address;
    const answer = await this.call(method, message, deadlineMs);
    if (answer.length > LARGEST_DESCRIPTION) throw nonsense(text, `more than ${LARGEST_DESCRIPTION} bytes`);
    return decoded(text, () => decode(answer));
  }

  private connect(): Client {
    const { host, port, tls } = this.address;
    const trusted = this.access.ca && Buffer.from([...rootCertificates, this.access.ca.toString('utf8')].join('\n'));
    const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const client = new Client(target, tls ? credentials.createSsl(trusted) : credentials.createInsecure(), {
      ...OPTIONS,
      'grpc.max_receive_message_length': this.largest,
    });
    this.watch(client);
    return client;
  }

  private call(method: string, message: Buffer, deadlineMs: number): Promise<Buffer> {
    const stateOf = (): connectivityState => this.client.getChannel().getConnectivityState(false);
    const state = stateOf();
    if (state === connectivityState.TRANSIENT_FAILURE) {
      // It would refuse all calls until its own rest is over; when to ask again is decided by the replica.
      this.client.close();
      this.client = this.connect();
    }
    const options = { deadline: Date.now() + deadlineMs };
    let heard = false;
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        SERVICE + method,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        message,
        this.metadata,
        options,
        (error, answer) => {
          if (answer) return resolve(answer);
          const failure = this.failure(error as ServiceError, deadlineMs);
          // The connection was kept, and had ended unnoticed.
          failure.isStale = state === connectivityState.READY && stateOf() !== connectivityState.READY && !heard;
          reject(failure);
        },
      );
      call.once('metadata', () => (heard = true));
    });
  }

  private failure(error: ServiceError, deadlineMs: number): ServerFailure {
    const { code, details } = error;
    const { text } = this.address;
    // In the words of this side's library; a server that refuses what it was sent names its own limit.
    if (code === status.RESOURCE_EXHAUSTED && new RegExp(`(vs|larger than) ${this.largest}\\)?$`).test(details))
      return nonsense(text, `more than ${this.largest} bytes`);
    if (code === status.DEADLINE_EXCEEDED) return tooSlow(text, deadlineMs);
    if (code !== status.UNAVAILABLE || /model/i.test(details)) return refusal(text, HTTP_STATUS[code] ?? 500, details, status[code], error);
    const reason = details.replace(/^No connection established\. Last error: (Error: )?/, '').replace(/\. Resolution note: $/, '');
    return unreachable(text, new Error(reason, { cause: error }));
  }

  /** Tells whenever the connection goes from ready to anything else. */
  private watch(client: Client): void {
    const channel = client.getChannel();
    const state = channel.getConnectivityState(false);
    channel.watchConnectivityState(state, Infinity, () => {
      if (state === connectivityState.READY) this.onLost();
      if (channel.getConnectivityState(false) !== connectivityState.SHUTDOWN) this.watch(client);
    });
  }
}
