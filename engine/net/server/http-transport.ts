import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import { checkedHeads, decoded, LARGEST_DESCRIPTION, LARGEST_REFUSAL, LARGEST_RUN, limitsOf, readJson } from './bounds';
import { decodeRun, encodeRun } from './http-body';
import type { Access, Address } from './options';
import {
  type InferAnswer,
  type InferRequest,
  type ModelHead,
  type ModelLimits,
  nonsense,
  refusal,
  ServerFailure,
  type TensorHead,
  tooSlow,
  type Transport,
  unreachable,
} from './transport';

/** The most connections to one address, each for one run at a time. */
const SOCKETS = 32;

interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** The protocol over HTTP, with kept connections. */
export class HttpTransport implements Transport {
  private readonly agent: http.Agent;
  private readonly known = new WeakSet<object>();
  private runs = 0;

  /**
   * @param onLost called whenever a connection has ended: the next one may lead to another server
   * @param largest the largest answer to a run, bytes
   */
  constructor(
    private readonly address: Address,
    private readonly access: Access,
    private readonly onLost: () => void,
    private readonly largest = LARGEST_RUN,
  ) {
    const settings = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' as const };
    this.agent = address.tls
      ? new https.Agent({ ...settings, ...(access.ca && { ca: [...rootCertificates, access.ca] }) })
      : new http.Agent(settings);
  }

  async describe(model: string, deadlineMs: number): Promise<ModelHead> {
    const path = `/v2/models/${encodeURIComponent(model)}`;
    const { text } = this.address;
    const { inputs, outputs } = (await this.get(path, deadlineMs)) as { inputs?: unknown; outputs?: unknown };
    const heads = decoded(text, () => checkedHeads({ inputs: tensorHeads(inputs), outputs: tensorHeads(outputs) }, text));
    // This path is Triton's own; other servers have neither it nor these limits.
    const reply = await this.send('GET', `${path}/config`, [], {}, deadlineMs);
    if (reply.status !== 200) return heads;
    return { ...heads, ...decoded(text, () => limitsIn(readJson(reply.body, text))) };
  }

  async infer(request: InferRequest, deadlineMs: number): Promise<InferAnswer> {
    const id = String(this.runs++);
    const { header, tensors } = encodeRun(request, id);
    const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': header.length };
    const path = `/v2/models/${encodeURIComponent(request.model)}/infer`;
    const { status, headers: answered, body } = await this.send('POST', path, [header, ...tensors], headers, deadlineMs, this.largest);
    if (status !== 200) throw this.refused(status, body);
    const length = answered['inference-header-content-length'];
    const { text } = this.address;
    return decoded(text, () => decodeRun(body, length === undefined ? undefined : Number(length), id, text));
  }

  async extensions(deadlineMs: number): Promise<string[]> {
    const { extensions } = (await this.get('/v2', deadlineMs)) as { extensions?: unknown };
    return Array.isArray(extensions) ? extensions.filter((one): one is string => typeof one === 'string') : [];
  }

  registerMemory(name: string, bytes: number, deadlineMs: number): Promise<void> {
    return this.post(`/v2/systemsharedmemory/region/${name}/register`, { key: `/${name}`, offset: 0, byte_size: bytes }, deadlineMs);
  }

  unregisterMemory(name: string, deadlineMs: number): Promise<void> {
    return this.post(`/v2/systemsharedmemory/region/${name}/unregister`, {}, deadlineMs);
  }

  async memoryRegions(deadlineMs: number): Promise<string[]> {
    const regions = await this.get('/v2/systemsharedmemory/status', deadlineMs);
    return (Array.isArray(regions) ? (regions as unknown[]) : []).map((region) => String((region as { name?: unknown } | null)?.name));
  }

  close(): void {
    this.agent.destroy();
  }

  /** Drops all kept connections: where one has ended unnoticed, the others will have ended as well. */
  private forgetConnections(): void {
    for (const socket of Object.values(this.agent.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy();
  }

  private async get(path: string, deadlineMs: number): Promise<object> {
    const { status, body } = await this.send('GET', path, [], {}, deadlineMs);
    if (status !== 200) throw this.refused(status, body);
    return readJson(body, this.address.text);
  }

  private async post(path: string, content: object, deadlineMs: number): Promise<void> {
    const { status, body } = await this.send(
      'POST',
      path,
      [Buffer.from(JSON.stringify(content))],
      { 'content-type': 'application/json' },
      deadlineMs,
    );
    if (status !== 200) throw this.refused(status, body);
  }

  /** A refusal. Servers of the protocol give a reason in JSON; a gateway's page, or the text of another program, is not quoted. */
  private refused(status: number, body: Buffer): ServerFailure {
    const said = /^\s*\{[\s\S]*"(?:error|detail)"\s*:\s*"((?:[^"\\]|\\.){0,1000})/.exec(body.subarray(0, 8192).toString('utf8'))?.[1] ?? '';
    return refusal(this.address.text, status, said);
  }

  private send(
    method: string,
    path: string,
    parts: Uint8Array[],
    headers: http.OutgoingHttpHeaders,
    deadlineMs: number,
    largest = LARGEST_DESCRIPTION,
  ): Promise<Reply> {
    const { host, port, tls, text } = this.address;
    const options: RequestOptions = {
      method,
      host,
      port,
      path: this.address.path + path,
      agent: this.agent,
      headers: {
        'accept-encoding': 'identity',
        ...this.access.headers,
        ...headers,
        'content-length': parts.reduce((sum, { length }) => sum + length, 0),
      },
    };
    const request = (tls ? https : http).request(options);
    let heard = false;
    let cause: ServerFailure | undefined;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        cause = tooSlow(text, deadlineMs);
        request.destroy(cause);
      }, deadlineMs);
      const fail = (thrown: unknown): void => {
        clearTimeout(timer);
        const failure = cause ?? (thrown instanceof ServerFailure ? thrown : unreachable(text, thrown));
        failure.isStale = request.reusedSocket && !heard && !cause;
        if (failure.isStale) this.forgetConnections();
        reject(failure);
      };
      request.on('error', fail);
      request.once('socket', (socket) => {
        if (this.known.has(socket)) return;
        this.known.add(socket);
        socket.once('close', this.onLost);
      });
      request.once('response', (response) => {
        heard = true;
        readBody(response, text, largest).then(
          (body) => {
            clearTimeout(timer);
            // The rest of a long refusal is not read.
            if (!response.complete) request.destroy();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          },
          (thrown) => {
            request.destroy();
            fail(thrown);
          },
        );
      });
      request.cork();
      for (const part of parts) request.write(part);
      request.end();
      request.uncork();
    });
  }
}

/** The whole body, or the beginning of a refusal; rejects when it breaks off or is too large. */
async function readBody(response: IncomingMessage, where: string, largest: number): Promise<Buffer> {
  const isRefusal = response.statusCode !== 200;
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (!isRefusal && encoding !== 'identity') throw nonsense(where, `compressed (${encoding}), which was not asked for`);
  const announced = response.headers['content-length'] === undefined ? undefined : Number(response.headers['content-length']);
  if (!isRefusal && announced !== undefined && announced > largest) throw nonsense(where, `${announced} bytes, of at most ${largest}`);
  const body = new GrowingBuffer(Math.min(announced ?? 0, largest));
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (isRefusal && body.length + chunk.length > LARGEST_REFUSAL) return body.content;
    if (body.length + chunk.length > largest) throw nonsense(where, `more than ${largest} bytes`);
    body.add(chunk);
  }
  if (!response.complete || (announced !== undefined && announced !== body.length)) throw nonsense(where, 'an incomplete answer');
  return body.content;
}

/** Collects bytes in one buffer, however small the pieces are: each piece kept by itself would take a hundred bytes more. */
class GrowingBuffer {
  length = 0;
  private buffer: Buffer;

  /** @param expected the number of bytes, as far as it is known; memory is only taken as they arrive */
  constructor(expected: number) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(4096, expected));
  }

  add(chunk: Buffer): void {
    const needed = this.length + chunk.length;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length));
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
    chunk.copy(this.buffer, this.length);
    this.length = needed;
  }

  get content(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

function tensorHeads(given: unknown): TensorHead[] {
  const heads = (Array.isArray(given) ? given : []) as Partial<Record<keyof TensorHead, unknown>>[];
  // Some servers write integers as texts.
  return heads.map(
    ({ name, datatype, shape }) => ({ name, datatype, shape: Array.isArray(shape) ? shape.map(Number) : undefined }) as TensorHead,
  );
}

/** The limits in Triton's configuration of a model. */
function limitsIn(config: object): ModelLimits {
  const {
    max_batch_size: rows,
    instance_group: groups,
    parameters,
  } = config as {
    max_batch_size?: unknown;
    instance_group?: { count?: unknown; gpus?: unknown[] }[];
    parameters?: Record<string, { string_value?: unknown }>;
  };
  const instances = Array.isArray(groups)
    ? groups.reduce((sum, { count, gpus }) => sum + (Number(count) || 1) * Math.max(1, gpus?.length ?? 1), 0)
    : 0;
  return limitsOf(rows, instances, parameters?.fingerprint?.string_value);
}
