import type { RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { corsHeaders, type CorsSettings } from './http-cors';
import { hostGuard, isOwnOrigin, type SiteSettings } from './web-site';

/**
 * What stands before every address of a node, as before those of Node-RED's own: `httpNodeMiddleware`, `httpNodeCors`;
 * and what keeps pages of other sites away.
 */
export function guards(RED: NodeAPI): RequestHandler[] {
  const middleware: RequestHandler[] = [RED.settings.httpNodeMiddleware ?? []].flat();
  const cors = RED.settings.httpNodeCors as CorsSettings | undefined;
  return [hostGuard(RED.settings as SiteSettings), ...middleware, cors ? onlyCors(cors) : onlyOwn(RED.settings as SiteSettings)];
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
