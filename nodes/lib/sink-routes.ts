import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../engine/errors';
import { corsHeaders, type CorsSettings } from './http-cors';
import { STREAM_HEADERS } from './mjpeg-hub';
import type { SinkFeed } from './sink-feed';

/** Names that can stand in an address as they are. */
const NAME = /^[a-z0-9_-]{1,64}$/;
const FILE = /^([a-z0-9_-]+)(\.mjpg|\.jpg)?$/;

const PAGE = readFileSync(join(__dirname, 'live-page.html'), 'utf8');

/** The sinks of one Node-RED by name, and the one route behind which they are all reached. */
export class SinkRoutes {
  private readonly feeds = new Map<string, SinkFeed>();

  private constructor(RED: NodeAPI) {
    const middleware: RequestHandler[] = [RED.settings.httpNodeMiddleware ?? []].flat();
    const cors = corsHeaders(RED.settings.httpNodeCors as CorsSettings | undefined);
    // Routes cannot be taken off again, so there is one for all sinks that come and go. HEAD is answered by it as well.
    RED.httpNode.get('/streamdiffusion/:file', ...middleware, cors, (request, response, next) => this.serve(request, response, next));
  }

  private static readonly mounted = new WeakMap<object, SinkRoutes>();

  /** The routes of this Node-RED; mounted when first asked for. */
  static of(RED: NodeAPI): SinkRoutes {
    let routes = SinkRoutes.mounted.get(RED.httpNode);
    if (!routes) SinkRoutes.mounted.set(RED.httpNode, (routes = new SinkRoutes(RED)));
    return routes;
  }

  /** @throws EBADPARAM when the name cannot stand in an address or another sink has it */
  add(name: string, feed: SinkFeed): void {
    if (!NAME.test(name)) {
      throw new EngineError('EBADPARAM', `a sink's name may have small letters, digits, - and _ (at most 64), not "${name}"`);
    }
    if (this.feeds.has(name)) throw new EngineError('EBADPARAM', `another sink is called "${name}": choose a different name`);
    this.feeds.set(name, feed);
  }

  /** Takes the sink away, unless the name belongs to another one. */
  remove(name: string, feed: SinkFeed): void {
    if (this.feeds.get(name) === feed) this.feeds.delete(name);
  }

  private serve(request: Request, response: Response, next: NextFunction): void {
    const [, name = '', kind] = FILE.exec(request.params['file'] ?? '') ?? [];
    const feed = this.feeds.get(name);
    if (!feed) {
      response.status(404).type('text').send('There is no sink of this name in the flows.\n');
    } else if (kind === '.mjpg') {
      if (request.method === 'HEAD') response.writeHead(200, STREAM_HEADERS).end();
      else feed.addViewer(response).catch(next);
    } else if (kind === '.jpg') {
      sendNewest(feed, response).catch(next);
    } else {
      response.set('Cache-Control', 'no-cache').type('html').send(PAGE.replaceAll('{{name}}', name));
    }
  }
}

async function sendNewest(feed: SinkFeed, response: Response): Promise<void> {
  const jpeg = await feed.newestJpeg();
  response.set('Cache-Control', 'no-store');
  if (jpeg) response.type('jpeg').send(jpeg);
  else response.status(503).set('Retry-After', '1').type('text').send('This sink has not received a picture yet.\n');
}
