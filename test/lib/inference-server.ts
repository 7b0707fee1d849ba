import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Net, Tensor } from '../../engine/net/net';
import { byteLength, bytesOf, tensorFrom } from '../../engine/net/rows';
import { datatypeOf, typeOf } from '../../engine/net/server/datatypes';
import { GrpcFace } from './inference-server-grpc';
import { until } from './until';
import { type AskedPlace, placeIn, type ServerMemory } from './inference-server-memory';

/** How runs are to be answered wrongly. */
export interface Fault {
  /** Wait before the answer, ms. */
  delayMs?: number;
  /** Wait until this many runs have been under way at once. */
  together?: number;
  status?: number;
  /** The server's message beside the status. */
  reason?: string;
  /** Break the connection after this many bytes of the answer. */
  cutAfter?: number;
  /** Announce everything but send this many bytes fewer, then end properly. */
  missingBytes?: number;
  /** Change the header before it is sent. */
  header?: (header: AnswerHeader) => unknown;
  /** Send this text instead. */
  text?: string;
  /** In how many answers; default all. */
  times?: number;
}

export interface AnswerHeader {
  model_name: string;
  model_version: string;
  id?: string;
  outputs: { name: string; datatype: string; shape: number[]; parameters: { binary_data_size: number } | AskedPlace }[];
}

export interface Asked {
  id?: string;
  inputs: { name: string; datatype: string; shape: number[]; parameters: { binary_data_size: number } | AskedPlace }[];
  outputs: { name: string; parameters?: object }[];
}

/** An answer that is ready to be sent. */
export interface Computed {
  header: AnswerHeader;
  tensors: Uint8Array[];
  /** How it is to be sent wrongly. */
  fault: Fault;
}

export interface StartOptions {
  port?: number;
  protocol?: 'http' | 'grpc';
  tls?: { key: string; cert: string };
}

/** A refusal, with HTTP's status. */
export interface Refused {
  status: number;
  reason: string;
}

/** A net that a server serves. */
export interface Served {
  net: Net;
  maxRows?: number;
  fingerprint?: string;
  /** Default '1'. */
  version?: string;
}

/** A small Open Inference Protocol server, over HTTP with the binary extension or gRPC, that runs real nets and answers wrongly on demand. */
export class InferenceServer {
  readonly models = new Map<string, Served>();
  fault: Fault | undefined;
  /** Changes the bytes of every answer; over gRPC, those of its message. */
  distort: ((bytes: Buffer) => Buffer) | undefined;
  /** The required `authorization` header, when set. */
  authorization: string | undefined;
  /** Set if the server has the shared-memory extension. */
  memory: ServerMemory | undefined;
  /** The rows of every requested run. */
  readonly runs: number[] = [];
  /** The number of runs that wait or compute. */
  busy = 0;
  mostBusy = 0;
  connections = 0;

  get extensions(): string[] {
    return ['binary_tensor_data', ...(this.memory ? ['system_shared_memory'] : [])];
  }

  /** Serves instead of HTTP when the protocol is gRPC. */
  private grpc: GrpcFace | undefined;

  private constructor(
    private readonly server: Server,
    private readonly httpPort: number,
    private readonly scheme: string,
  ) {}

  /** @param tls key and certificate, for HTTPS or gRPC over TLS */
  static async start(models: Record<string, Served>, { port = 0, protocol = 'http', tls }: StartOptions = {}): Promise<InferenceServer> {
    let started: InferenceServer | undefined;
    const listener: RequestListener = (request, response) => void started?.answer(request, response);
    const server = tls ? createTlsServer(tls, listener) : createServer(listener);
    await new Promise<void>((ready) => server.listen(protocol === 'http' ? port : 0, '127.0.0.1', ready));
    started = new InferenceServer(server, (server.address() as AddressInfo).port, tls ? 'https' : 'http');
    const itself = started;
    if (protocol === 'grpc') itself.grpc = await GrpcFace.start(itself, { port, tls });
    else server.on(tls ? 'secureConnection' : 'connection', () => itself.connections++);
    for (const [name, served] of Object.entries(models)) itself.models.set(name, served);
    return itself;
  }

  get port(): number {
    return this.grpc?.port ?? this.httpPort;
  }

  get address(): string {
    return this.grpc?.address ?? `${this.scheme}://127.0.0.1:${this.httpPort}`;
  }

  /** Stops at once, like a killed process. */
  async stop(): Promise<void> {
    await this.grpc?.stop();
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client has gone
    }
    if (this.authorization && request.headers.authorization !== this.authorization) return refuse(response, 401, 'unauthorized');
    const [, name, what = ''] = /^\/v2\/models\/([^/]+)(?:\/(\w+))?$/.exec(request.url ?? '') ?? [];
    const served = this.models.get(decodeURIComponent(name ?? ''));
    if (request.url === '/v2') return this.json(response, { name: 'test', version: '1', extensions: this.extensions });
    if (request.url?.startsWith('/v2/systemsharedmemory/')) return this.answerMemory(request.url, Buffer.concat(chunks), response);
    if (!served) return refuse(response, 404, `Request for unknown model: '${name}' is not found`);
    if (what === '') return this.json(response, describe(name, served));
    if (what === 'config') {
      const { maxRows = 0, fingerprint } = served;
      return this.json(response, {
        name,
        max_batch_size: maxRows,
        parameters: fingerprint ? { fingerprint: { string_value: fingerprint } } : {},
      });
    }
    this.mostBusy = Math.max(this.mostBusy, ++this.busy);
    try {
      await this.infer(name, served, Buffer.concat(chunks), Number(request.headers['inference-header-content-length']), response);
    } finally {
      this.busy--;
    }
  }

  private answerMemory(url: string, body: Buffer, response: ServerResponse): void {
    const { memory } = this;
    if (!memory) return refuse(response, 404, 'not found');
    const [, name, what] = /region\/([^/]+)\/(\w+)$/.exec(url) ?? [];
    if (what === undefined)
      return this.json(
        response,
        memory.regions.map((region) => ({ name: region })),
      );
    if (what === 'unregister') memory.unregister(name);
    else {
      const { key, byte_size: length } = JSON.parse(body.toString('utf8')) as { key: string; byte_size: number };
      try {
        memory.register(name, key, length);
      } catch (thrown) {
        return refuse(response, 400, (thrown as Error).message);
      }
    }
    this.json(response, {});
  }

  private json(response: ServerResponse, value: object): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(this.distorted(Buffer.from(JSON.stringify(value))));
  }

  distorted(bytes: Buffer): Buffer {
    return this.distort?.(bytes) ?? bytes;
  }

  private async infer(name: string, served: Served, body: Buffer, headerLength: number, response: ServerResponse): Promise<void> {
    const asked = JSON.parse(body.subarray(0, headerLength).toString('utf8')) as Asked;
    const answer = await this.compute(name, served, asked, () => readTensors(asked, body, headerLength, this.memory));
    if ('status' in answer) return refuse(response, answer.status, answer.reason);
    const { header, tensors, fault } = answer;
    const head = Buffer.from(fault.text ?? JSON.stringify(header));
    const whole = this.distorted(Buffer.concat([head, ...tensors]));
    response.writeHead(200, { 'content-length': whole.length - (fault.missingBytes ?? 0), 'inference-header-content-length': head.length });
    if (fault.cutAfter === undefined) return void response.end(whole.subarray(0, whole.length - (fault.missingBytes ?? 0)));
    response.write(whole.subarray(0, fault.cutAfter));
    // The written data must arrive before the connection ends.
    setTimeout(() => response.destroy(), 30);
  }

  /** A run's answer or refusal, with the requested fault. */
  async compute(
    name: string,
    { net, maxRows = Infinity, version = '1' }: Served,
    asked: Asked,
    feeds: () => Record<string, Tensor>,
  ): Promise<Computed | Refused> {
    const rows = asked.inputs[0].shape[0];
    this.runs.push(rows);
    const fault = this.takeFault();
    if (fault.delayMs) await sleep(fault.delayMs);
    if (fault.together) await until(() => this.mostBusy >= fault.together!).catch(() => undefined);
    if (fault.status) return { status: fault.status, reason: fault.reason ?? 'told to fail' };
    if (rows > maxRows) return { status: 400, reason: `inference request batch-size must be <= ${maxRows}` };
    let outputs: Record<string, Tensor>;
    try {
      outputs = await net.run(feeds());
      for (const { name: output, parameters } of asked.outputs) {
        const place = placeIn(parameters);
        if (place) this.memoryOrThrow.write(place, bytesOf(outputs[output].data));
      }
    } catch (thrown) {
      return { status: 400, reason: (thrown as Error).message };
    }
    const header: AnswerHeader = {
      model_name: name,
      model_version: version,
      ...(asked.id !== undefined && { id: asked.id }),
      outputs: asked.outputs.map(({ name: output, parameters }) => {
        const { type, dims, data } = outputs[output];
        return {
          name: output,
          datatype: datatypeOf(type),
          shape: dims,
          parameters: placeIn(parameters) ?? { binary_data_size: data.byteLength },
        };
      }),
    };
    const tensors = asked.outputs.filter(({ parameters }) => !placeIn(parameters)).map(({ name: output }) => bytesOf(outputs[output].data));
    return { header: (fault.header ? fault.header(header) : header) as AnswerHeader, tensors, fault };
  }

  get memoryOrThrow(): ServerMemory {
    if (this.memory) return this.memory;
    throw new Error('no shared memory here');
  }

  private takeFault(): Fault {
    const { fault } = this;
    if (!fault) return {};
    if (fault.times !== undefined && --fault.times === 0) this.fault = undefined;
    return fault;
  }
}

function describe(name: string, { net }: Served): object {
  const heads = (infos: Net['inputs']) =>
    infos.map((info) => ({
      name: info.name,
      datatype: datatypeOf(info.type),
      shape: info.shape.map((size) => (typeof size === 'number' ? size : -1)),
    }));
  return { name, versions: ['1'], platform: 'test', inputs: heads(net.inputs), outputs: heads(net.outputs) };
}

function readTensors({ inputs }: Asked, body: Buffer, start: number, memory: ServerMemory | undefined): Record<string, Tensor> {
  let at = start;
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape, parameters }) => {
      const type = typeOf(datatype) ?? 'float32';
      if (!('binary_data_size' in parameters)) return [name, tensorFrom(type, memory!.read(parameters), shape)] as const;
      const { binary_data_size: size } = parameters;
      if (byteLength(type, shape) !== size) throw new Error(`${size} bytes for ${name} [${shape.join()}]`);
      at += size;
      return [name, tensorFrom(type, body.subarray(at - size, at), shape)] as const;
    }),
  );
}

function refuse(response: ServerResponse, status: number, error: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}
