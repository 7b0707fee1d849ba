import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../engine/errors';
import type { SinkFeed } from './sink-feed';
import type { PageLook } from './sink-settings';
import { MjpegViewer, STREAM_HEADERS } from './viewer-mjpeg';
import { SocketViewer } from './viewer-socket';
import { guards } from './web-guards';
import { checkWebName, isTakenName } from './web-name';
import { loadPage } from './web-pages';
import { WebSockets } from './web-sockets';

const FILE = /^([a-z0-9_-]+)(\.mjpg|\.jpg)?$/;
/** More than that at once is no audience any more. */
const MAX_VIEWERS = 250;

const page = loadPage('live.html');

/** A sink that is deployed again comes back within this time, and has its name first, ms. */
const FREE_AFTER_MS = 1000;

interface Sink {
  feed: SinkFeed;
  look: PageLook;
  onServed: () => void;
}

/** The sinks of one Node-RED by name, and the one route behind which they are all reached. */
export class SinkRoutes {
  private readonly sinks = new Map<string, Sink>();
  /** Sinks whose names others have, by name. */
  private readonly waiting = new Map<string, Sink[]>();
  private readonly sockets: WebSockets | undefined;

  private constructor(RED: NodeAPI) {
    this.sockets = WebSockets.of(RED);
    // Routes cannot be taken off again, so there is one for all sinks that come and go. HEAD is answered by it as well.
    RED.httpNode.get('/streamdiffusion/:file', ...guards(RED), (request, response, next) => {
      this.serve(request, response, next).catch(next);
    });
  }

  private static readonly mounted = new WeakMap<object, SinkRoutes>();

  /** The routes of this Node-RED; mounted when first asked for. */
  static of(RED: NodeAPI): SinkRoutes {
    let routes = SinkRoutes.mounted.get(RED.httpNode);
    if (!routes) SinkRoutes.mounted.set(RED.httpNode, (routes = new SinkRoutes(RED)));
    return routes;
  }

  get names(): string[] {
    return [...this.sinks.keys()];
  }

  /**
   * @param onServed told when the sink is reached under its name, at once or when another sink lets go of it
   * @throws EBADPARAM when the name cannot stand in an address, or another sink has it
   */
  add(name: string, feed: SinkFeed, look: PageLook, onServed: () => void = () => undefined): void {
    checkWebName(name, 'a sink');
    const sink = { feed, look, onServed };
    if (this.sinks.has(name)) {
      this.waiting.set(name, [...(this.waiting.get(name) ?? []), sink]);
      throw new EngineError('EBADPARAM', `another sink is called "${name}": choose a different name`);
    }
    this.sinks.set(name, sink);
    onServed();
  }

  /** Takes the sink away; one that has waited for its name gets it then. */
  remove(name: string, feed: SinkFeed): void {
    const left = (this.waiting.get(name) ?? []).filter((sink) => sink.feed !== feed);
    if (left.length > 0) this.waiting.set(name, left);
    else this.waiting.delete(name);
    if (this.sinks.get(name)?.feed !== feed) return;
    this.sinks.delete(name);
    if (left.length > 0) setTimeout(() => this.handOver(name), FREE_AFTER_MS).unref();
  }

  private handOver(name: string): void {
    const [next, ...others] = this.waiting.get(name) ?? [];
    if (!next || this.sinks.has(name)) return;
    this.waiting.set(name, others);
    this.sinks.set(name, next);
    next.onServed();
  }

  private async serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const [, name = '', kind] = FILE.exec(request.params['file'] ?? '') ?? [];
    const sink = this.sinks.get(name);
    if (isTakenName(name)) {
      next();
    } else if (!sink) {
      response.status(404).type('text').send('There is no sink of this name in the flows.\n');
    } else if (kind === '.jpg') {
      await sendNewest(sink.feed, response);
    } else if (kind === undefined && !this.sockets?.wants(request)) {
      // A page that is opened asks for pictures in a moment.
      if (request.method === 'GET') sink.feed.look();
      response.set('Cache-Control', 'no-cache').type('html').send(page({ name, ...sink.look }));
    } else if (request.method === 'HEAD') {
      response.writeHead(200, STREAM_HEADERS).end();
    } else if (sink.feed.viewers >= MAX_VIEWERS) {
      response.status(503).set('Retry-After', '10').type('text').send('This sink has as many viewers as it can have.\n');
    } else if (kind === '.mjpg') {
      const viewer = new MjpegViewer(response);
      response.once('close', () => sink.feed.remove(viewer));
      await sink.feed.add(viewer);
    } else {
      await this.addSocket(sink.feed, request, response);
    }
  }

  private async addSocket(feed: SinkFeed, request: Request, response: Response): Promise<void> {
    const socket = await this.sockets?.accept(request, response, 'words');
    if (!socket) return;
    const viewer = new SocketViewer(socket, 'details' in request.query);
    socket.once('close', () => feed.remove(viewer));
    await feed.add(viewer);
  }
}

async function sendNewest(feed: SinkFeed, response: Response): Promise<void> {
  const jpeg = await feed.newestJpeg();
  // A picture is held while its engine is away: its age says so.
  response.set({ 'Cache-Control': 'no-store', ...(jpeg && { Age: String(Math.floor(feed.age / 1000)) }) });
  if (jpeg) response.type('jpeg').send(jpeg);
  else response.status(503).set('Retry-After', '1').type('text').send('This sink has not received a picture yet.\n');
}
