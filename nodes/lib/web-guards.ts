import type { RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { corsHeaders, type CorsSettings } from './http-cors';

/** What stands before every address of a node, as before those of Node-RED's own: `httpNodeMiddleware`, `httpNodeCors`. */
export function guards(RED: NodeAPI): RequestHandler[] {
  const middleware: RequestHandler[] = [RED.settings.httpNodeMiddleware ?? []].flat();
  return [...middleware, corsHeaders(RED.settings.httpNodeCors as CorsSettings | undefined)];
}
