import type { Request, Response } from 'express';
import type { WebSockets } from './sockets';

/** The answers of a page's address besides the explanation of a failed WebSocket. */
export interface PageAnswers {
  /** Accepts or refuses a WebSocket. */
  accept(): Promise<void>;
  /** Sends the page. */
  sendPage(): void;
}

/** Answers a request at a page's address: why an earlier WebSocket failed, a WebSocket, or the page. */
export async function answerPage(
  sockets: WebSockets | undefined,
  request: Request,
  response: Response,
  { accept, sendPage }: PageAnswers,
): Promise<void> {
  const why = sockets?.handshakes.whyOf(request);
  if (why) response.set('Cache-Control', 'no-store').json(why);
  else if (sockets?.wants(request)) await accept();
  else sendPage();
}

/** Refuses a visitor because there are too many. @param what has no room, such as "This page has as many visitors" */
export function refuseFull(response: Response, what: string): void {
  response.status(503).set('Retry-After', '10').type('text').send(`${what} as it can have.\n`);
}
