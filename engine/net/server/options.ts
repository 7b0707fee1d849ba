import { readBounded } from '../../util/bounded-file';
import { EngineError } from '../../errors';
import { quote } from '../../util/quote';

/** How to reach a server of the Open Inference Protocol (KServe v2), such as NVIDIA Triton. */
export interface ServerAccess {
  /**
   * Its addresses: `http://gpu-1:8000`, `https://…`, or `grpc://gpu-1:8001` and `grpcs://…` for gRPC. Several are equal
   * replicas: a run goes to the one with the fewest runs under way, and to the next when one fails.
   */
  addresses: string[];
  /** Sent as `Authorization: Bearer …`. */
  token?: string;
  /** Sent as basic credentials, together with `password`. */
  user?: string;
  password?: string;
  /** A file of certificates (PEM) to trust besides those of the system, for a server with a self-signed one. */
  ca?: string;
  /** The longest wait for an answer, 50..600,000 ms, default 10,000. The first run of each shape may take a minute, since servers compile it. */
  timeoutMs?: number;
  /** Whether tensors pass through shared memory where server and flow are on one machine and the server supports it. Default true. */
  sharedMemory?: boolean;
}

/** A checked address. */
export interface Address {
  protocol: 'http' | 'grpc';
  tls: boolean;
  host: string;
  port: number;
  /** The prefix of the protocol's own paths, as on a gateway: empty, or `/prefix`. */
  path: string;
  /** The address as it appears in messages. */
  text: string;
}

/** The settings that all addresses share. */
export interface Access {
  headers: Record<string, string>;
  ca?: Buffer;
  timeoutMs: number;
  sharedMemory: boolean;
}

const SCHEMES: Record<string, Pick<Address, 'protocol' | 'tls'>> = {
  http: { protocol: 'http', tls: false },
  https: { protocol: 'http', tls: true },
  grpc: { protocol: 'grpc', tls: false },
  grpcs: { protocol: 'grpc', tls: true },
};
const PORTS = { http: 8000, grpc: 8001 };

/**
 * Reads all settings except the certificates, which {@link readCertificates} reads.
 *
 * @throws EBADPARAM for an address, a deadline or credentials that cannot work
 */
export function readAccess({ addresses, token, user, password, timeoutMs = 10_000, sharedMemory = true }: ServerAccess): {
  addresses: Address[];
  access: Access;
} {
  if (!Array.isArray(addresses) || addresses.length === 0) {
    throw new EngineError('EBADPARAM', 'no address of a server is given; give one such as http://gpu-1:8000');
  }
  if (!(Number.isFinite(timeoutMs) && timeoutMs >= 50 && timeoutMs <= 600_000)) {
    throw new EngineError('EBADPARAM', `timeoutMs must be a number from 50 to 600000; got ${quote(timeoutMs)}`);
  }
  if (token && (user || password)) throw new EngineError('EBADPARAM', 'a server takes a token or a user with a password, not both');
  if (password && !user) throw new EngineError('EBADPARAM', 'a password for a server needs a user');
  const headers: Record<string, string> = {};
  if (token) headers.authorization = `Bearer ${printable(token, 'token')}`;
  if (user) headers.authorization = `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`;
  return { addresses: addresses.map(readAddress), access: { headers, timeoutMs, sharedMemory } };
}

/** @throws EBADPARAM */
export function readAddress(text: string): Address {
  const url = parse(text);
  const scheme = url && SCHEMES[url.protocol.slice(0, -1)];
  if (!scheme || !url.hostname) {
    throw new EngineError(
      'EBADPARAM',
      `"${text}" is not an address of a server; write one such as http://gpu-1:8000, https://…, grpc://gpu-1:8001 or grpcs://…`,
    );
  }
  if (url.username || url.password)
    throw new EngineError('EBADPARAM', 'an address of a server must not hold a password; give user and password, or a token, beside it');
  const path = url.pathname.replace(/\/+(v2\/?)?$/, '');
  if (url.search || url.hash || (scheme.protocol === 'grpc' && path)) {
    throw new EngineError('EBADPARAM', `"${text}" has more after host and port than an address of a server may have`);
  }
  const port = url.port ? Number(url.port) : scheme.tls ? 443 : PORTS[scheme.protocol];
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { ...scheme, host, port, path, text: `${url.protocol}//${url.hostname}:${port}${path}` };
}

/** An address without a scheme, such as `gpu-1:8000`, is HTTP. */
function parse(text: unknown): URL | undefined {
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  // URL drops the default ports of http and https; another scheme keeps them.
  const [, scheme, rest] = /^(?:([a-z]+):\/\/)?([^\s/]\S*)$/i.exec(trimmed) ?? [];
  try {
    return rest === undefined || rest.includes('://') ? undefined : withScheme(scheme?.toLowerCase() ?? 'http', rest);
  } catch {
    return undefined;
  }
}

function withScheme(scheme: string, rest: string): URL {
  const url = new URL(`${scheme === 'http' || scheme === 'https' ? scheme : 'http'}://${rest}`);
  const port = /^(?:[^/@]*@)?(?:\[[^\]]*\]|[^/:]*):(\d+)/.exec(rest)?.[1] ?? '';
  return {
    protocol: `${scheme}:`,
    hostname: url.hostname,
    port,
    pathname: url.pathname,
    search: url.search,
    hash: url.hash,
    username: url.username,
    password: url.password,
  } as URL;
}

function printable(text: string, what: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new EngineError('EBADPARAM', `the ${what} for the server holds characters that cannot be sent`);
}

/** The largest file of certificates, bytes. The file with all that Debian trusts has 220 kB. */
const LARGEST_CERTIFICATES = 2 ** 20;

/** Rejects with EBADPARAM for a file that cannot be read, is not a file, or is too large to hold certificates. */
export async function readCertificates(path: string): Promise<Buffer> {
  try {
    return await readBounded(path, LARGEST_CERTIFICATES);
  } catch (thrown) {
    throw new EngineError('EBADPARAM', `the file of certificates cannot be read: ${(thrown as Error).message}`, { cause: thrown });
  }
}
