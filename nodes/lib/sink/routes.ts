import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { serveIndex } from '../web/index-routes';
import type { Lost } from '../web/lost-handshakes';
import type { SinkFeed } from './feed';
import type { PageLook } from './settings';
import { MjpegViewer, STREAM_HEADERS } from '../web/viewer-mjpeg';
import { SocketViewer } from '../web/viewer-socket';
import { guards } from '../web/guards';
import { isTakenName } from '../web/name';
import { WebNames, type Named } from '../web/names';
import { languageOf, loadPage } from '../web/pages';
import { WebSockets } from '../web/sockets';

const FILE = /^([a-z0-9_-]+)(\.mjpg|\.jpg)?$/;
/** More than that at once is no audience any more. */
const MAX_VIEWERS = 250;

const page = loadPage('live.html');

/** A sink as viewers find it. */
export interface Sink extends Named {
  feed: SinkFeed;
  look: PageLook;
  /** Told when a WebSocket came without what it needs. */
  onLost?: (what: Lost, request: Request) => void;
}

/** The sinks of one Node-RED by name, and the one route behind which they are all reached. */
export class SinkRoutes {
  readonly sinks = new WebNames<Sink>('sink');
  private readonly sockets: WebSockets | undefined;

  private constructor(RED: NodeAPI) {
    this.sockets = WebSockets.of(RED);
    serveIndex(RED, 'live', () => this.sinks.names);
    // Routes cannot be taken off again, so there is one for all sinks that come and go. HEAD is answered by it as well.
    const lost = (what: Lost, request: Request): void => this.sinks.get(request.params.file ?? '')?.onLost?.(what, request);
    RED.httpNode.get('/streamdiffusion/:file', ...guards(RED, lost), (request, response, next) => {
      this.serve(request, response, next).catch(next);
    });
  }

  /** The routes of this Node-RED; mounted when first asked for. */
  static readonly of = oncePerRed('httpNode', (RED) => new SinkRoutes(RED));

  private async serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const [, name = '', kind] = FILE.exec(request.params.file ?? '') ?? [];
    const sink = this.sinks.get(name);
    const why = this.sockets?.handshakes.whyOf(request);
    if (isTakenName(name)) {
      next();
    } else if (!sink) {
      response.status(404).type('text').send('There is no sink of this name in the flows.\n');
    } else if (kind === '.jpg') {
      await sendNewest(sink.feed, response);
    } else if (kind === undefined && why) {
      response.set('Cache-Control', 'no-store').json(why);
    } else if (kind === undefined && !this.sockets?.wants(request)) {
      // A page that is opened asks for pictures in a moment.
      if (request.method === 'GET') sink.feed.look();
      response
        .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
        .type('html')
        .send(page({ name, ...sink.look }, languageOf(request)));
    } else if (request.method === 'HEAD') {
      response.writeHead(200, STREAM_HEADERS).end();
    } else if (sink.feed.viewers >= MAX_VIEWERS) {
      response.status(503).set('Retry-After', '10').type('text').send('This sink has as many viewers as it can have.\n');
    } else if (kind === '.mjpg') {
      const viewer = new MjpegViewer(response);
      response.once('close', () => sink.feed.remove(viewer));
      await sink.feed.add(viewer);
    } else {
      await this.addSocket(sink, name, request, response);
    }
  }

  private async addSocket(sink: Sink, name: string, request: Request, response: Response): Promise<void> {
    const { feed, onLost } = sink;
    const socket = await this.sockets?.accept(request, response, 'words', () => this.sinks.get(name) === sink, onLost);
    if (!socket) return;
    const viewer = new SocketViewer(socket, 'details' in request.query, 'times' in request.query);
    socket.once('close', () => feed.remove(viewer));
    await feed.add(viewer);
  }
}

async function sendNewest(feed: SinkFeed, response: Response): Promise<void> {
  const jpeg = await feed.shownJpeg();
  // A picture is held while its engine is away: its age says so.
  response.set({ 'Cache-Control': 'no-store', ...(jpeg && { Age: String(Math.floor(feed.age / 1000)) }) });
  if (jpeg) response.type('jpeg').send(jpeg);
  else response.status(503).set('Retry-After', '1').type('text').send('This sink has not received a picture yet.\n');
}

/** The sink that a page shows beside what visitors bring: the chosen one, else the one of the same name, else the first one. */
export function sinkBeside(RED: NodeAPI, name: string, chosen: string): string {
  const { names } = SinkRoutes.of(RED).sinks;
  return [chosen, name].find((one) => names.includes(one)) ?? names[0] ?? '';
}
