import { connect, createServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Tensor, TensorInfo } from '../../engine/net/net';
import { tensorFrom } from '../../engine/net/rows';
import { datatypeOf, typeOf } from '../../engine/net/server/datatypes';
import { field, fieldsOf, message, varint, varintsOf } from '../../engine/net/onnx/protobuf';
import type { Asked, Computed, InferenceServer } from './inference-server';
import { type AskedPlace, placeIn } from './inference-server-memory';

type Call = ServerUnaryCall<Buffer, Buffer>;
type Answer = Buffer | { code: status; details: string };

const CODES: Record<number, status> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  404: status.NOT_FOUND,
  500: status.INTERNAL,
  503: status.UNAVAILABLE,
};

/**
 * The models of an {@link InferenceServer} over gRPC, with the same faults. Connections go through a relay that can break
 * them in the middle of an answer.
 */
export class GrpcFace {
  private cutAfter: number | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly models: InferenceServer,
    private readonly server: Server,
    private readonly relay: TcpServer,
    readonly port: number,
    private readonly scheme: string,
  ) {}

  static async start(
    models: InferenceServer,
    { port = 0, tls }: { port?: number; tls?: { key: string; cert: string } } = {},
  ): Promise<GrpcFace> {
    let started: GrpcFace | undefined;
    const server = new Server({ 'grpc.max_receive_message_length': -1 });
    const handle = (work: (call: Call) => Promise<Answer> | Answer) => (call: Call, callback: sendUnaryData<Buffer>) => {
      const authorization = call.metadata.get('authorization')[0];
      if (models.authorization && authorization !== models.authorization)
        return callback({ code: status.UNAUTHENTICATED, details: 'unauthorized' });
      void Promise.resolve(work(call)).then((answer) =>
        Buffer.isBuffer(answer) ? callback(null, models.distorted(answer)) : callback(answer),
      );
    };
    const methods: Record<string, (call: Call) => Promise<Answer> | Answer> = {
      ServerMetadata: () => message(field(1, 'test'), field(2, '1'), ...models.extensions.map((name) => field(3, name))),
      SystemSharedMemoryStatus: () => message(...(models.memory?.regions ?? []).map((name) => field(1, field(1, name)))),
      SystemSharedMemoryRegister: ({ request }) => register(models, request),
      SystemSharedMemoryUnregister: ({ request }) => {
        models.memory?.unregister(nameIn(request));
        return Buffer.alloc(0);
      },
      ModelMetadata: (call) => started!.describe(call.request),
      ModelConfig: (call) => started!.config(call.request),
      ModelInfer: (call) => started!.infer(call.request),
    };
    const definition = Object.fromEntries(Object.keys(methods).map((name) => [name, unary(name)])) as ServiceDefinition;
    server.addService(
      definition,
      Object.fromEntries(Object.entries(methods).map(([name, work]) => [name, handle(work)])) as UntypedServiceImplementation,
    );
    const credentials = tls
      ? ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }])
      : ServerCredentials.createInsecure();
    const inner = await new Promise<number>((bound, failed) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, at) => (error ? failed(error) : bound(at))),
    );
    const relay = createServer((client) => started?.pass(client, inner));
    await new Promise<void>((ready) => relay.listen(port, '127.0.0.1', ready));
    started = new GrpcFace(models, server, relay, (relay.address() as AddressInfo).port, tls ? 'grpcs' : 'grpc');
    return started;
  }

  get address(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  /** Stops at once, like a killed process. */
  async stop(): Promise<void> {
    this.server.forceShutdown();
    for (const socket of this.sockets) socket.destroy();
    await new Promise((closed) => this.relay.close(closed));
  }

  private pass(client: Socket, port: number): void {
    this.models.connections++;
    const server = connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          client.destroy();
          server.destroy();
        });
    }
    client.pipe(server);
    let isCut = false;
    server.on('data', (chunk) => {
      if (isCut) return;
      if (this.cutAfter === undefined || chunk.length <= this.cutAfter) return void client.write(chunk);
      // The written data must arrive before the connection ends.
      client.write(chunk.subarray(0, this.cutAfter));
      this.cutAfter = undefined;
      isCut = true;
      setTimeout(() => client.destroy(), 30);
    });
  }

  private describe(request: Buffer): Answer {
    const name = nameIn(request);
    const served = this.models.models.get(name);
    if (!served) return unknown(name);
    const heads = (number: number, infos: TensorInfo[]): Buffer[] =>
      infos.map((info) =>
        field(
          number,
          message(
            field(1, info.name),
            field(2, datatypeOf(info.type)),
            field(3, Buffer.concat(info.shape.map((size) => (typeof size === 'number' ? varint(size) : MINUS_ONE)))),
          ),
        ),
      );
    return message(field(1, name), field(2, '1'), field(3, 'test'), ...heads(4, served.net.inputs), ...heads(5, served.net.outputs));
  }

  private config(request: Buffer): Answer {
    const name = nameIn(request);
    const { maxRows = 0, fingerprint } = this.models.models.get(name) ?? {};
    const parameter = fingerprint && field(14, message(field(1, 'fingerprint'), field(2, field(1, fingerprint))));
    return field(1, message(field(1, name), field(4, maxRows), ...(parameter ? [parameter] : [])));
  }

  private async infer(request: Buffer): Promise<Answer> {
    const fields = fieldsOf(request);
    const values = (number: number): Buffer[] => fields.filter((one) => one.number === number).map(({ bytes }) => bytes);
    const name = nameIn(request);
    const served = this.models.models.get(name);
    if (!served) return unknown(name);
    const raw = values(7);
    const sent = [...raw];
    const inputs = values(5).map((input) => {
      const parts = fieldsOf(input);
      const place = placeOf(input, 4);
      const [title, datatype] = [1, 2].map((number) => parts.find((one) => one.number === number)?.bytes.toString('utf8') ?? '');
      return {
        name: title,
        datatype,
        shape: varintsOf(parts.find(({ number }) => number === 3)?.bytes ?? Buffer.alloc(0)),
        parameters: place ?? { binary_data_size: sent.shift()!.length },
      };
    });
    const asked: Asked = {
      id: values(3)[0].toString('utf8'),
      inputs,
      outputs: values(6).map((output) => ({ name: nameIn(output), parameters: placeOf(output, 2) })),
    };
    const feeds = (): Record<string, Tensor> => {
      const rest = [...raw];
      return Object.fromEntries(
        inputs.map(({ name: title, datatype, shape, parameters }) => {
          const place = placeIn(parameters);
          return [title, tensorFrom(typeOf(datatype) ?? 'float32', place ? this.models.memoryOrThrow.read(place) : rest.shift()!, shape)];
        }),
      );
    };
    this.models.mostBusy = Math.max(this.models.mostBusy, ++this.models.busy);
    const answer = await this.models.compute(name, served, asked, feeds).finally(() => this.models.busy--);
    return 'status' in answer ? { code: CODES[answer.status], details: answer.reason } : this.encode(answer);
  }

  private encode({ header, tensors, fault }: Computed): Buffer {
    this.cutAfter = fault.cutAfter;
    if (fault.text !== undefined) return Buffer.from(fault.text);
    const outputs = (header.outputs ?? []).map(({ name, datatype, shape }) =>
      field(5, message(field(1, name), field(2, datatype), field(3, Buffer.concat(shape.map(varint))))),
    );
    // As in Triton, an output that was written to shared memory is empty here.
    const sent = [...tensors];
    const raw = (header.outputs ?? [])
      .map(({ parameters }) => (placeIn(parameters) ? Buffer.alloc(0) : sent.shift()!))
      .map((bytes) => field(6, fault.missingBytes ? bytes.subarray(fault.missingBytes) : bytes));
    return message(
      field(1, header.model_name),
      field(2, header.model_version ?? '1'),
      ...(header.id === undefined ? [] : [field(3, header.id)]),
      ...outputs,
      ...raw,
    );
  }
}

/** A free dimension (-1) as a varint. */
const MINUS_ONE = Buffer.from([...new Array<number>(9).fill(0xff), 1]);

function unary(name: string): ServiceDefinition[string] {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `/inference.GRPCInferenceService/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

function register(models: InferenceServer, request: Buffer): Answer {
  const fields = fieldsOf(request);
  const key = fields.find(({ number }) => number === 2)?.bytes.toString('utf8') ?? '';
  try {
    models.memoryOrThrow.register(nameIn(request), key, fields.find(({ number }) => number === 4)?.value ?? 0);
    return Buffer.alloc(0);
  } catch (thrown) {
    return { code: status.INVALID_ARGUMENT, details: (thrown as Error).message };
  }
}

/** Parameters { key 1, value 2 { int64_param 2, string_param 3 }} of an input or output, in the field `number`. */
function placeOf(bytes: Buffer, number: number): AskedPlace | undefined {
  const entries = fieldsOf(bytes)
    .filter((one) => one.number === number && one.bytes.length > 0)
    .map((one) => {
      const [value] = fieldsOf(fieldsOf(one.bytes).find((part) => part.number === 2)?.bytes ?? Buffer.alloc(0));
      return [nameIn(one.bytes), value?.number === 3 ? value.bytes.toString('utf8') : (value?.value ?? 0)];
    });
  return placeIn(Object.fromEntries(entries) as object);
}

function nameIn(bytes: Buffer): string {
  return (
    fieldsOf(bytes)
      .find(({ number }) => number === 1)
      ?.bytes.toString('utf8') ?? ''
  );
}

function unknown(name: string): Answer {
  return { code: status.NOT_FOUND, details: `Request for unknown model: '${name}' is not found` };
}
