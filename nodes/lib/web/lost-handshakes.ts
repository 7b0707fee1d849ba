import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { Node } from 'node-red';
import { LruCache } from '../../../engine/util/lru-cache';
import { printable } from '../../../engine/util/quote';
import { languageOf, pageText } from './pages';

/** A header that a WebSocket's handshake needs, and that something between browser and Node-RED has kept for itself. */
export type Lost = 'Upgrade' | 'Host' | 'Sec-WebSocket-Key';

/** How a page's try came here, for the page: it is told of no failed handshake more than that it failed. */
export interface Fate {
  /** What went wrong and what to do about it, in the visitor's language; undefined when nothing did on the way. */
  problem?: string;
  advice?: string;
}

/** What went wrong, by the keys of the pages' texts. */
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
 * Tries of this package's pages to open a WebSocket, by the number that a page gives each: `?socket=NUMBER` at the
 * WebSocket's address, and `?why=NUMBER` at the page's, which also a proxy lets through that knows no WebSockets.
 */
export class LostHandshakes {
  private readonly fates = new LruCache<Cause | 'well'>(MOST);

  /** Whether a request was a WebSocket's handshake where it set out, though it may come as a plain GET. */
  static isHandshake({ headers, url = '' }: IncomingMessage): boolean {
    return headers['sec-websocket-key'] !== undefined || /[?&]socket=/.test(url);
  }

  /** It came here whole. */
  arrived(request: IncomingMessage): void {
    this.keep(request, 'well');
  }

  lost(request: IncomingMessage, what: Lost): void {
    const host = printable(request.headers.host ?? 'nobody', 100);
    this.keep(request, { problem: 'lostHeader', advice: HELP[what], values: { header: what, host } });
  }

  /** What is known of the try that the request asks for; undefined when it asks for none. */
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
        origin: printable(origin, 100),
        host: printable(host, 100),
      }),
    );
  };
}
