import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { Node } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { shown } from '../../../engine/util/shown';

/** A header that a WebSocket's handshake needs, and that something between browser and Node-RED has kept for itself. */
export type Lost = 'Upgrade' | 'Host' | 'Sec-WebSocket-Key';

/** How a page's try came here, for the page: it is told of no failed handshake more than that it failed. */
export interface Fate {
  /** What went wrong and what to do about it, in plain words; undefined when nothing did on the way. */
  problem?: string;
  advice?: string;
}

const MOST = 200;
const ID = /^\w{1,40}$/;

/**
 * Tries of this package's pages to open a WebSocket, by the number that a page gives each: `?socket=NUMBER` at the
 * WebSocket's address, and `?why=NUMBER` at the page's, which also a proxy lets through that knows no WebSockets.
 */
export class LostHandshakes {
  private readonly fates = new LruCache<Fate>(MOST);

  /** Whether a request was a WebSocket's handshake where it set out, though it may come as a plain GET. */
  static isHandshake({ headers, url = '' }: IncomingMessage): boolean {
    return headers['sec-websocket-key'] !== undefined || /[?&]socket=/.test(url);
  }

  /** It came here whole. */
  arrived(request: IncomingMessage): void {
    this.keep(request, {});
  }

  lost(request: IncomingMessage, what: Lost): void {
    this.keep(request, explain(request, what));
  }

  /** What is known of the try that the request asks for; undefined when it asks for none. */
  whyOf({ query }: Request): Fate | undefined {
    const { why } = query;
    if (typeof why !== 'string') return undefined;
    return (
      this.fates.get(why) ?? {
        problem: 'WebSockets do not get through to Node-RED',
        advice: 'Something on the way, such as a proxy or a firewall, ends them: let it pass them on.',
      }
    );
  }

  private keep({ url = '' }: IncomingMessage, fate: Fate): void {
    const id = new URL(url, 'http://localhost').searchParams.get('socket') ?? '';
    if (!ID.test(id)) return;
    this.fates.set(id, fate);
  }
}

function explain({ headers }: IncomingMessage, what: Lost): Fate {
  if (what === 'Host') {
    return {
      problem: 'A proxy between this page and Node-RED does not pass on the header Host',
      advice: `Node-RED was asked as ${shown(headers.host ?? 'nobody', 100)}, so this page is a stranger to it. With nginx, set: proxy_set_header Host $http_host;`,
    };
  }
  return {
    problem: `A proxy between this page and Node-RED does not pass on the header ${what}`,
    advice:
      what === 'Upgrade'
        ? 'Pictures need a WebSocket, and without that header none can be opened. With nginx, set: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $http_host;'
        : 'Let it pass on all headers that begin with Sec-WebSocket.',
  };
}

/** Writes into the log what a node's visitors miss, each once. */
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
        origin: shown(origin, 100),
        host: shown(host, 100),
      }),
    );
  };
}
