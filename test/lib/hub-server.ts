import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './until';

/** How a file is to be served wrongly. */
export interface Fault {
  /** Break the connection after this many bytes of an answer. */
  cutAfter?: number;
  /** Break it only when this is true. @param from the byte that the next request would start at if all has arrived */
  cutWhen?: (from: number) => boolean;
  /** Send nothing more after this many bytes, but keep the connection. */
  stallAfter?: number;
  /** Change one byte. */
  wrongByte?: boolean;
  /** Send more than there is. */
  extraBytes?: number;
  /** Begin at the start, whatever range was requested. */
  noRange?: boolean;
  status?: number;
  headers?: Record<string, string>;
  redirectTo?: string;
  bytesPerSecond?: number;
  /** In how many answers; default all. */
  times?: number;
}

export interface SeenRequest {
  server: 'hub' | 'files';
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/**
 * A server on this machine that answers as Hugging Face's does for one repository: the commit, the tree in pages, small
 * files itself, and large ones (Git LFS) by a redirect to a second server, with ranges.
 */
export class HubServer {
  readonly seen: SeenRequest[] = [];
  readonly faults = new Map<string, Fault>();
  commit = COMMIT;
  /** The token that requests must have, when set. */
  token: string | undefined;
  /** The prefix of every path, as on a mirror. */
  prefix = '';
  /** Whether a licence has to be accepted first. */
  gated = false;
  private readonly hub: Server;
  private readonly fileServer: Server;

  /** @param files content by path in the repository */
  constructor(
    readonly repository: string,
    readonly files: Map<string, Buffer>,
  ) {
    this.hub = createServer((request, response) => this.answerHub(request, response));
    this.fileServer = createServer((request, response) => this.answerFile(request, response));
  }

  static async start(repository: string, files: Map<string, Buffer>): Promise<HubServer> {
    const server = new HubServer(repository, files);
    for (const each of [server.hub, server.fileServer]) await new Promise<void>((ready) => each.listen(0, '127.0.0.1', ready));
    return server;
  }

  get address(): string {
    return addressOf(this.hub);
  }

  /** The requested ranges of all answers with the content of a file. */
  rangesOf(path: string): (string | undefined)[] {
    return this.seen.filter((request) => request.server === 'files' && request.path.endsWith(path)).map(({ range }) => range);
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.fileServer]) {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  }

  private answerHub(request: IncomingMessage, response: ServerResponse): void {
    this.note('hub', request);
    const url = new URL(request.url ?? '', this.address);
    const path = decodeURIComponent(url.pathname).slice(this.prefix.length);
    if (!url.pathname.startsWith(this.prefix)) return this.refuse(response, 404, 'NotFound', 'Not on this mirror');
    if (!path.includes(`/${this.repository}`))
      return this.refuse(response, request.headers.authorization ? 404 : 401, 'RepoNotFound', 'Repository not found');
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`)
      return this.refuse(response, 401, 'RepoNotFound', 'Invalid username or password.');
    if (path.startsWith('/api/models/')) return this.answerApi(url, path, response);
    const [, revision, file] = new RegExp(`^/${this.repository}/resolve/([^/]+)/(.+)$`).exec(path) ?? [];
    if (!this.knows(revision)) return this.refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    const content = this.files.get(file);
    if (!content) return this.refuse(response, 404, 'EntryNotFound', 'Entry not found');
    if (this.gated) return this.refuse(response, 403, 'GatedRepo', 'Access to this model is restricted');
    const isLarge = isLfs(file);
    response.setHeader('x-repo-commit', this.commit).setHeader('etag', `"${isLarge ? sha256(content) : gitName(content)}"`);
    if (!isLarge) return void this.send(file, content, request, response);
    response.setHeader('x-linked-size', content.length).setHeader('x-linked-etag', `"${sha256(content)}"`);
    const target = this.faults.get(file)?.redirectTo ?? `${addressOf(this.fileServer)}/${sha256(content)}/${file}?Signature=1`;
    response.writeHead(302, { location: target }).end('Found. Redirecting');
  }

  private answerApi(url: URL, path: string, response: ServerResponse): void {
    const [, what, revision] = /\/(revision|tree)\/([^/]+)$/.exec(path) ?? [];
    if (!this.knows(revision)) return this.refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    response.setHeader('content-type', 'application/json; charset=utf-8');
    if (what === 'revision') return void response.end(JSON.stringify({ id: this.repository, sha: this.commit, siblings: [] }));
    const entries = [
      { type: 'directory', oid: gitName(Buffer.of()), size: 0, path: 'unet' },
      ...[...this.files].map(([name, content]) => entryOf(name, content)),
    ];
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const end = start + 5;
    url.searchParams.set('cursor', String(end));
    if (end < entries.length) response.setHeader('link', `<${url.href}>; rel="next"`);
    response.end(JSON.stringify(entries.slice(start, end)));
  }

  private answerFile(request: IncomingMessage, response: ServerResponse): void {
    this.note('files', request);
    const file = decodeURIComponent(new URL(request.url ?? '', this.address).pathname)
      .split('/')
      .slice(2)
      .join('/');
    const content = this.files.get(file);
    if (content) void this.send(file, content, request, response);
    else response.writeHead(404).end();
  }

  private async send(file: string, whole: Buffer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.takeFault(file);
    if (fault.status) return void response.writeHead(fault.status, fault.headers).end();
    const content = Buffer.concat([whole, Buffer.alloc(fault.extraBytes ?? 0)]);
    if (fault.wrongByte) content[content.length - 1] ^= 1;
    const asked = fault.noRange ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = Number(asked?.[1] ?? 0);
    const end = asked?.[2] ? Number(asked[2]) + 1 : content.length;
    if (asked) response.setHeader('content-range', `bytes ${from}-${end - 1}/${content.length}`);
    response.writeHead(asked ? 206 : 200, { 'content-length': end - from, 'accept-ranges': 'bytes' });
    const stopAt = Math.min(end, from + (fault.cutAfter ?? fault.stallAfter ?? Infinity));
    const step = fault.bytesPerSecond ? Math.ceil(fault.bytesPerSecond / 50) : 65536;
    for (let at = from; at < stopAt && !response.destroyed; at += step) {
      response.write(content.subarray(at, Math.min(at + step, stopAt)));
      if (fault.bytesPerSecond) await sleep(20);
    }
    if (fault.stallAfter !== undefined) return;
    if (stopAt === end) response.end();
    // The written data must arrive before the connection ends.
    else {
      await (fault.cutWhen ? until(() => fault.cutWhen!(stopAt)) : sleep(50));
      response.destroy();
    }
  }

  private takeFault(file: string): Fault {
    const fault = this.faults.get(file);
    if (!fault) return {};
    if (fault.times !== undefined && --fault.times === 0) this.faults.delete(file);
    return fault;
  }

  private knows(revision: string): boolean {
    return revision === 'main' || revision === this.commit;
  }

  private refuse(response: ServerResponse, status: number, code: string, message: string): void {
    response.writeHead(status, { 'x-error-code': code, 'x-error-message': message, 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: message }));
  }

  private note(server: SeenRequest['server'], request: IncomingMessage): void {
    const { range, authorization } = request.headers;
    this.seen.push({ server, path: decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname), range, authorization });
  }
}

/** The files of a folder as a repository has them. */
export function filesIn(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) files.set(name.split(sep).join('/'), readFileSync(path));
  }
  return files;
}

export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

const isLfs = (path: string): boolean => /\.(onnx|onnx_data|safetensors|bin)$/.test(path);
const gitName = (content: Buffer): string => createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function entryOf(path: string, content: Buffer): object {
  const entry = { type: 'file', oid: gitName(content), size: content.length, path };
  return isLfs(path)
    ? { ...entry, lfs: { oid: sha256(content), size: content.length, pointerSize: 134 }, xetHash: sha256(content) }
    : entry;
}
