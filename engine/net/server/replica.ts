import { Backoff } from '../../util/backoff';
import type { Agreement } from './agreement';
import type { Access, Address } from './options';
import { HttpTransport } from './http-transport';
import { isThisMachine, SharedMemory } from './shared-memory';
import type { InferAnswer, InferRequest, Transport } from './transport';

/** How long a server that failed is passed over, ms: first, and at most. */
const RESTS = { first: 500, last: 30_000 };

/** One of several equal servers of a net, and its recent failures. */
export class Replica {
  readonly transport: Transport;
  readonly text: string;
  /** Undefined where the server is on another machine, or shared memory is switched off. */
  readonly memory: SharedMemory | undefined;
  /** Runs under way. */
  busy = 0;
  /** The version of the model that answered last. */
  version: string | undefined;
  private readonly rests = new Backoff(RESTS);
  private restUntil = 0;
  private agreed: Agreement | undefined;

  /** @param largest the largest answer to a run, bytes */
  constructor(
    readonly address: Address,
    access: Access,
    largest: number,
  ) {
    this.text = address.text;
    const lost = (): void => {
      this.agreed = undefined;
      this.version = undefined;
    };
    this.transport =
      address.protocol === 'grpc' ? grpcTransport(address, access, lost, largest) : new HttpTransport(address, access, lost, largest);
    if (access.sharedMemory && isThisMachine(address.host)) this.memory = new SharedMemory(this.transport);
  }

  /**
   * A run, through shared memory where possible.
   *
   * @param lengths of the outputs, bytes by name; undefined until a run of these shapes has shown them
   */
  async infer(request: InferRequest, lengths: ReadonlyMap<string, number> | undefined, deadlineMs: number): Promise<InferAnswer> {
    const answer = lengths && (await this.memory?.infer(request, lengths, deadlineMs));
    return answer ?? this.transport.infer(request, deadlineMs);
  }

  /** No run may be under way. */
  async close(): Promise<void> {
    await this.memory?.close();
    this.transport.close();
  }

  /** Undefined until the server was compared with the model folder, and again after a connection has ended: another server may listen there now. */
  get agreement(): Agreement | undefined {
    return this.agreed;
  }

  set agreement(agreement: Agreement | undefined) {
    this.agreed = agreement;
  }

  get isResting(): boolean {
    return performance.now() < this.restUntil;
  }

  /** Records a success. */
  worked(): void {
    this.rests.reset();
    this.restUntil = 0;
  }

  /** Records a failure: other replicas are asked first for a while. */
  failed(): void {
    this.agreed = undefined;
    this.restUntil = performance.now() + this.rests.next();
  }
}

/** Loads gRPC's library only when it is used, since loading takes a moment. */
function grpcTransport(...settings: [Address, Access, () => void, number]): Transport {
  const { GrpcTransport } = require('./grpc-transport') as typeof import('./grpc-transport');
  return new GrpcTransport(...settings);
}
