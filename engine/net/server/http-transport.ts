import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import { decodeRun, encodeRun, isShape, readJson } from './http-body';
import type { Access, Address } from './options';
import { type InferAnswer, type InferRequest, type ModelHead, type ModelLimits, nonsense, refusal, ServerFailure, type TensorHead, tooSlow, type Transport, unreachable } from './transport';

/** Runs under way at the same time on one address. */
const SOCKETS = 32;
/** No answer of a net is larger, bytes. */
const LARGEST_ANSWER = 2 ** 30;

interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** The protocol over HTTP, with connections that are kept. */
export class HttpTransport implements Transport {
  private readonly agent: http.Agent;
  private readonly known = new WeakSet<object>();
  private runs = 0;

  /** @param onLost called whenever a connection has ended: who listens there next may be another server */
  constructor(
    private readonly address: Address,
    private readonly access: Access,
    private readonly onLost: () => void,
  ) {
    const settings = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' as const };
    this.agent = address.tls ? new https.Agent({ ...settings, ...(access.ca && { ca: [...rootCertificates, access.ca] }) }) : new http.Agent(settings);
  }

  async describe(model: string, deadlineMs: number): Promise<ModelHead> {
    const path = `/v2/models/${encodeURIComponent(model)}`;
    const { inputs, outputs } = (await this.get(path, deadlineMs)) as { inputs?: unknown; outputs?: unknown };
    const heads = { inputs: tensorHeads(inputs, this.address.text), outputs: tensorHeads(outputs, this.address.text) };
    // Of Triton's own; other servers know no such thing and no such limits.
    const reply = await this.send('GET', `${path}/config`, [], {}, deadlineMs);
    if (reply.status !== 200) return heads;
    return { ...heads, ...limitsIn(readJson(reply.body.toString('utf8'), this.address.text)) };
  }

  async infer(request: InferRequest, deadlineMs: number): Promise<InferAnswer> {
    const id = String(this.runs++);
    const { header, tensors } = encodeRun(request, id);
    const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': header.length };
    const path = `/v2/models/${encodeURIComponent(request.model)}/infer`;
    const { status, headers: answered, body } = await this.send('POST', path, [header, ...tensors], headers, deadlineMs);
    if (status !== 200) throw this.refused(status, body);
    const length = answered['inference-header-content-length'];
    return decodeRun(body, length === undefined ? undefined : Number(length), id, this.address.text);
  }

  async extensions(deadlineMs: number): Promise<string[]> {
    const { extensions } = (await this.get('/v2', deadlineMs)) as { extensions?: unknown };
    return Array.isArray(extensions) ? extensions.map(String) : [];
  }

  registerMemory(name: string, bytes: number, deadlineMs: number): Promise<void> {
    return this.post(`/v2/systemsharedmemory/region/${name}/register`, { key: `/${name}`, offset: 0, byte_size: bytes }, deadlineMs);
  }

  unregisterMemory(name: string, deadlineMs: number): Promise<void> {
    return this.post(`/v2/systemsharedmemory/region/${name}/unregister`, {}, deadlineMs);
  }

  async memoryRegions(deadlineMs: number): Promise<string[]> {
    const regions = await this.get('/v2/systemsharedmemory/status', deadlineMs);
    return (Array.isArray(regions) ? regions : []).map(({ name }: { name?: unknown }) => String(name));
  }

  close(): void {
    this.agent.destroy();
  }

  /** Where one kept connection has ended unnoticed, the others will have, too. */
  private forgetConnections(): void {
    for (const socket of Object.values(this.agent.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy();
  }

  private async get(path: string, deadlineMs: number): Promise<object> {
    const { status, body } = await this.send('GET', path, [], {}, deadlineMs);
    if (status !== 200) throw this.refused(status, body);
    return readJson(body.toString('utf8'), this.address.text);
  }

  private async post(path: string, content: object, deadlineMs: number): Promise<void> {
    const { status, body } = await this.send('POST', path, [Buffer.from(JSON.stringify(content))], { 'content-type': 'application/json' }, deadlineMs);
    if (status !== 200) throw this.refused(status, body);
  }

  private refused(status: number, body: Buffer): ServerFailure {
    const text = body.toString('utf8').trim();
    const said = /^\{.*"(?:error|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"/s.exec(text)?.[1] ?? (text.startsWith('<') ? '' : text);
    return refusal(this.address.text, status, said);
  }

  private send(method: string, path: string, parts: Uint8Array[], headers: http.OutgoingHttpHeaders, deadlineMs: number): Promise<Reply> {
    const { host, port, tls, text } = this.address;
    const options: RequestOptions = {
      method,
      host,
      port,
      path: this.address.path + path,
      agent: this.agent,
      headers: { ...this.access.headers, ...headers, 'content-length': parts.reduce((sum, { length }) => sum + length, 0) },
    };
    const request = (tls ? https : http).request(options);
    let heard = false;
    let cause: ServerFailure | undefined;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => request.destroy((cause = tooSlow(text, deadlineMs))), deadlineMs);
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
        readAll(response, text).then((body) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        }, (thrown) => {
          request.destroy();
          fail(thrown);
        });
      });
      request.cork();
      for (const part of parts) request.write(part);
      request.end();
      request.uncork();
    });
  }
}

/** The whole body; rejects when it breaks off or is larger than any answer can be. */
async function readAll(response: IncomingMessage, where: string): Promise<Buffer> {
  const announced = response.headers['content-length'];
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST_ANSWER) throw nonsense(where, `more than ${LARGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  if (!response.complete || (announced !== undefined && Number(announced) !== length)) throw nonsense(where, 'half an answer');
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
}

function tensorHeads(given: unknown, where: string): TensorHead[] {
  const heads = (Array.isArray(given) ? given : []) as Partial<Record<keyof TensorHead, unknown>>[];
  return heads.map(({ name, datatype, shape }) => {
    // Some servers write whole numbers as texts.
    const sizes = Array.isArray(shape) ? shape.map(Number) : undefined;
    if (typeof name !== 'string' || typeof datatype !== 'string' || !isShape(sizes)) throw nonsense(where, 'a model with an input or output without name, type or shape');
    return { name, datatype, shape: sizes };
  });
}

/** What Triton's configuration of a model tells of its limits. */
function limitsIn(config: object): ModelLimits {
  const { max_batch_size: rows, instance_group: groups, parameters } = config as {
    max_batch_size?: unknown;
    instance_group?: { count?: unknown; gpus?: unknown[] }[];
    parameters?: Record<string, { string_value?: unknown }>;
  };
  const instances = Array.isArray(groups) ? groups.reduce((sum, { count, gpus }) => sum + (Number(count) || 1) * Math.max(1, gpus?.length ?? 1), 0) : 0;
  const fingerprint = parameters?.fingerprint?.string_value;
  return {
    ...(Number(rows) > 0 && { maxRows: Number(rows) }),
    ...(instances > 0 && { instances }),
    ...(typeof fingerprint === 'string' && { fingerprint }),
  };
}
