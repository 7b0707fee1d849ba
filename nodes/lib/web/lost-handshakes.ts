import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { Node } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { printable } from '../../../engine/util/quote';
import { languageOf, pageText } from './pages';

/** A header of a WebSocket's handshake that something between the browser and Node-RED has removed. */
export type Lost = 'Upgrade' | 'Host' | 'Sec-WebSocket-Key';

/** How a page's try to open a WebSocket arrived, for the page, which browsers tell nothing but that it failed. */
export interface Fate {
  /** The problem and what to do about it, in the visitor's language; undefined when the try arrived intact. */
  problem?: string;
  advice?: string;
}

/** The problem, by the keys of the pages' texts. */
interface Cause {
  problem: string;
  advice: string;
  values: Record<string, string>;
}

const UNKNOWN: Cause = { problem: 'noSocket', advice: 'noSocketHelp', values: {} };
const HELP: Record<Lost, string> = { Upgrade: 'lostUpgradeHelp', Host: 'lostHostHelp', 'Sec-WebSocket-Key': 'lostKeyHelp' };
const MOST = 200;
const ID = /^\w{1,40}$/;

/**
 * The tries of this package's pages to open a WebSocket, by the id that a page gives each: `?socket=ID` at the WebSocket's
 * address, and `?why=ID` at the page's address, which proxies without support for WebSockets let through as well.
 */
export class LostHandshakes {
  private readonly fates = new LruCache<Cause | 'well'>(MOST);

  /** Whether a request was sent as a WebSocket's handshake, though it may arrive as a plain GET. */
  static isHandshake({ headers, url = '' }: IncomingMessage): boolean {
    return headers['sec-websocket-key'] !== undefined || /[?&]socket=/.test(url);
  }

  /** Records a handshake that arrived intact. */
  arrived(request: IncomingMessage): void {
    this.keep(request, 'well');
  }

  lost(request: IncomingMessage, what: Lost): void {
    const host = printable(request.headers.host ?? 'nobody', 100);
    this.keep(request, { problem: 'lostHeader', advice: HELP[what], values: { header: what, host } });
  }

  /** The result of the try that the request asks about; undefined when it asks about none. */
  whyOf(request: Request): Fate | undefined {
    const { why } = request.query;
    if (typeof why !== 'string') return undefined;
    const cause = this.fates.get(why) ?? UNKNOWN;
    if (cause === 'well') return {};
    const language = languageOf(request);
    return { problem: pageText(language, cause.problem, cause.values), advice: pageText(language, cause.advice, cause.values) };
  }

  private keep({ url = '' }: IncomingMessage, fate: Cause | 'well'): void {
    const id = new URL(url, 'http://localhost').searchParams.get('socket') ?? '';
    if (!ID.test(id)) return;
    this.fates.set(id, fate);
  }
}

/** Logs each problem of a node's visitors once. */
export function warnOfLost(
  node: Node,
  translate: (key: string, values: Record<string, string>) => string,
): (what: Lost, request: IncomingMessage) => void {
  const told = new Set<Lost>();
  return (what, { headers: { origin = '', host = '' } }) => {
    if (told.has(what)) return;
    told.add(what);
    node.warn(
      translate(what === 'Host' ? 'warn.lostHost' : 'warn.lostHeader', {
        header: what,
        origin: printable(origin, 100),
        host: printable(host, 100),
      }),
    );
  };
}
