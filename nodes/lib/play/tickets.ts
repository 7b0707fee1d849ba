import { randomBytes } from 'node:crypto';

/** The lifetime of a ticket, ms: a page fetches it and opens its WebSocket at once. */
const LIFE_MS = 30_000;
const MOST = 1000;

/**
 * Tickets for one WebSocket each, given to logged-in users. A browser sends no token with a WebSocket, and a long-lived token in
 * an address would appear in the logs of proxies.
 */
export class Tickets {
  private readonly open = new Map<string, { what: string; until: number }>();

  /** @param what the ticket is for */
  issue(what: string, now = performance.now()): string {
    for (const [ticket, { until }] of this.open) if (until < now || this.open.size >= MOST) this.open.delete(ticket);
    const ticket = randomBytes(18).toString('base64url');
    this.open.set(ticket, { what, until: now + LIFE_MS });
    return ticket;
  }

  /** Whether the ticket is valid for this; it is used up either way. */
  take(ticket: unknown, what: string, now = performance.now()): boolean {
    if (typeof ticket !== 'string') return false;
    const found = this.open.get(ticket);
    this.open.delete(ticket);
    return found?.what === what && found.until >= now;
  }
}
