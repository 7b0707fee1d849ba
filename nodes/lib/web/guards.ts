import type { Request, RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { corsHeaders, type CorsSettings } from './http-cors';
import { LostHandshakes, type Lost } from './lost-handshakes';
import { hostGuard, isOwnOrigin, type SiteSettings } from './site';
import { WebSockets } from './sockets';

/**
 * The handlers before every address of a node: `httpNodeMiddleware` and `httpNodeCors` as for Node-RED's own nodes, and the
 * protection against pages of other sites.
 *
 * @param lost called when a WebSocket's handshake arrives as a plain request, as through a proxy without support for them
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

/** Refuses a handshake that arrives as a plain request, which would otherwise be answered with a page. */
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
      .send('This address is a WebSocket, and the headers Upgrade and Connection are missing: a proxy must pass them on.\n');
  };
}

/** Makes `httpNodeCors` alone decide who may read: an editor at the same root allows everybody. */
function onlyCors(cors: CorsSettings): RequestHandler {
  const headers = corsHeaders(cors);
  return (request, response, next) => {
    response.removeHeader('Access-Control-Allow-Origin');
    void headers(request, response, next);
  };
}

/** Refuses pages of other sites. The origin of a WebSocket is checked when it is accepted. */
function onlyOwn(settings: SiteSettings): RequestHandler {
  return (request, response, next) => {
    response.removeHeader('Access-Control-Allow-Origin');
    if (request.headers.upgrade !== undefined || isOwnOrigin(request, settings)) next();
    else response.status(403).type('text').send('Pages from elsewhere may not read this, unless httpNodeCors names them.\n');
  };
}
