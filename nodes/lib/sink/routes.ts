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
import { refuseFull } from '../web/page-answer';
import { languageOf, loadPage } from '../web/pages';
import { WebSockets } from '../web/sockets';

const FILE = /^([a-z0-9_-]+)(\.mjpg|\.jpg)?$/;
/** The most viewers of a sink at a time. */
const MAX_VIEWERS = 250;

const page = loadPage('live.html');

/** A served sink. */
export interface Sink extends Named {
  feed: SinkFeed;
  look: PageLook;
  /** Called when a WebSocket's handshake lacks a header. */
  onLost?: (what: Lost, request: Request) => void;
}

/** The sinks of one Node-RED by name, and their common route. */
export class SinkRoutes {
  readonly sinks = new WebNames<Sink>('sink');
  private readonly sockets: WebSockets | undefined;

  private constructor(RED: NodeAPI) {
    this.sockets = WebSockets.of(RED);
    serveIndex(RED, 'live', () => this.sinks.names);
    // Routes cannot be removed, so one route serves all sinks. It also answers HEAD.
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
      // A page that is opened will request pictures in a moment.
      if (request.method === 'GET') sink.feed.look();
      response
        .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
        .type('html')
        .send(page({ name, ...sink.look }, languageOf(request)));
    } else if (request.method === 'HEAD') {
      response.writeHead(200, STREAM_HEADERS).end();
    } else if (sink.feed.viewers >= MAX_VIEWERS) {
      refuseFull(response, 'This sink has as many viewers');
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
  // Age tells how old a picture is that is held while its engine restarts.
  response.set({ 'Cache-Control': 'no-store', ...(jpeg && { Age: String(Math.floor(feed.age / 1000)) }) });
  if (jpeg) response.type('jpeg').send(jpeg);
  else response.status(503).set('Retry-After', '1').type('text').send('This sink has not received a picture yet.\n');
}

/** The sink whose pictures a visitors' page shows: the chosen one, otherwise the one of the same name, otherwise the first one. */
export function sinkBeside(RED: NodeAPI, name: string, chosen: string): string {
  const { names } = SinkRoutes.of(RED).sinks;
  return [chosen, name].find((one) => names.includes(one)) ?? names[0] ?? '';
}
