import type { Request, RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { corsHeaders, type CorsSettings } from './http-cors';
import { LostHandshakes, type Lost } from './lost-handshakes';
import { hostGuard, isOwnOrigin, type SiteSettings } from './site';
import { WebSockets } from './sockets';

/**
 * What stands before every address of a node, as before those of Node-RED's own: `httpNodeMiddleware`, `httpNodeCors`;
 * and what keeps pages of other sites away.
 * @param lost told when a WebSocket's handshake comes as a plain request, as through a proxy that does not know them
 */
export function guards(RED: NodeAPI, lost?: (what: Lost, request: Request) => void): RequestHandler[] {
  const middleware: RequestHandler[] = [RED.settings.httpNodeMiddleware ?? []].flat();
  const cors = RED.settings.httpNodeCors as CorsSettings | undefined;
  return [
    hostGuard(RED.settings as SiteSettings),
    ...middleware,
    onlyWhole(RED, lost),
    cors ? onlyCors(cors) : onlyOwn(RED.settings as SiteSettings),
  ];
}

/** Whoever wants a WebSocket is not to get a page in its place. */
function onlyWhole(RED: NodeAPI, lost?: (what: Lost, request: Request) => void): RequestHandler {
  return (request, response, next) => {
    const sockets = WebSockets.of(RED);
    if (!sockets || sockets.wants(request) || !LostHandshakes.isHandshake(request)) return next();
    sockets.handshakes.lost(request, 'Upgrade');
    lost?.('Upgrade', request);
    response
      .status(426)
      .set('Upgrade', 'websocket')
      .type('text')
      .send('Here is a WebSocket, and the headers Upgrade and Connection are missing: a proxy must pass them on.\n');
  };
}

/** `httpNodeCors` alone says who may read: an editor at the same root lets everybody. */
function onlyCors(cors: CorsSettings): RequestHandler {
  const headers = corsHeaders(cors);
  return (request, response, next) => {
    response.removeHeader('Access-Control-Allow-Origin');
    void headers(request, response, next);
  };
}

/** A WebSocket is asked for its origin where it is accepted. */
function onlyOwn(settings: SiteSettings): RequestHandler {
  return (request, response, next) => {
    response.removeHeader('Access-Control-Allow-Origin');
    if (request.headers.upgrade !== undefined || isOwnOrigin(request, settings)) next();
    else response.status(403).type('text').send('Pages from elsewhere may not read this, unless httpNodeCors names them.\n');
  };
}
