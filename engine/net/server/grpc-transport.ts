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
/** The flow-control window, bytes: with HTTP/2's default of 64 kB a server would have to pause several times per picture. */
const WINDOW = 8 * 2 ** 20;
const OPTIONS: ChannelOptions = {
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': WINDOW,
  // When to ask an unreachable server again is decided by its replica, so the channel reconnects quickly.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 400,
  // As over HTTP, no proxy is used for an inference server, and no settings are looked up in the DNS.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Each net has its own connection, so that a lost one concerns that net alone.
  'grpc.use_local_subchannel_pool': 1,
};

/** The HTTP status that corresponds to each of gRPC's codes. */
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
   * @param onLost called whenever the connection has ended: the next one may lead to another server
   * @param largest the largest answer to a run, bytes, also after decompression
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
      // This call is Triton's own; other servers have neither it nor these limits.
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
      // The channel would refuse all calls until its own back-off is over; when to ask again is decided by the replica.
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
          // A kept connection had ended unnoticed.
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
    // This is the message of the client's own library; a server that refuses a large request names its own limit.
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
