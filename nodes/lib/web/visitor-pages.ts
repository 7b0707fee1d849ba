import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { oncePerRed } from '../common/once-per-red';
import { serveIndex } from './index-routes';
import type { Lost } from './lost-handshakes';
import { guards } from './guards';
import { WebNames, type Named } from './names';
import { languageOf, loadPage, type PageValues } from './pages';
import { type Brings, WebSockets } from './sockets';
import type { WebSocket } from 'ws';

/** Pages that bring something into the flow: the path behind the node's name, the page, what visitors send, and how it is listed. */
const KINDS = {
  camera: { what: 'camera page', owner: 'a source with a camera page', html: 'camera.html', brings: 'pictures', list: 'cameras' },
  draw: { what: 'drawing page', owner: 'a source with a drawing page', html: 'draw.html', brings: 'settings', list: 'draw' },
  wish: { what: "page for visitors' prompts", owner: 'a sink', html: 'wish.html', brings: 'words', list: 'wish' },
} as const satisfies Record<string, { what: string; owner: string; html: string; brings: Brings; list: string }>;
export type PageKind = keyof typeof KINDS;

/** Where the visitors of a page come in. */
export interface Door {
  /** Whether nobody more can come in. */
  readonly isFull?: boolean;
  enter(socket: WebSocket): void;
  /** The node is gone. */
  end(): void;
}

/** A page as visitors find it. */
export interface VisitorPage extends Named {
  door: Door;
  /** What it is filled with, beside its name. */
  values: () => PageValues;
  /** Told when a WebSocket came without what it needs. */
  onLost?: (what: Lost, request: Request) => void;
}

/** The pages of one kind in one Node-RED by the names of their nodes, and the one route behind which they are reached. */
export class PageRoutes {
  readonly pages: WebNames<VisitorPage>;
  private readonly sockets: WebSockets | undefined;
  private readonly page: ReturnType<typeof loadPage>;

  private constructor(
    RED: NodeAPI,
    private readonly kind: PageKind,
  ) {
    const { what, owner, html, list } = KINDS[kind];
    this.page = loadPage(html);
    this.pages = new WebNames<VisitorPage>(what, owner);
    this.sockets = WebSockets.of(RED);
    const lost = (missing: Lost, request: Request): void => this.pages.get(request.params.name ?? '')?.onLost?.(missing, request);
    serveIndex(RED, list, () => this.pages.names);
    RED.httpNode.get(`/streamdiffusion/:name/${kind}`, ...guards(RED, lost), (request, response, next) => {
      this.serve(request, response, next).catch(next);
    });
  }

  private static readonly byKind = oncePerRed('httpNode', () => new Map<PageKind, PageRoutes>());

  /**
   * The pages of a kind in this Node-RED; mounted when first asked for.
   * @throws EBADPARAM when Node-RED serves no pages
   */
  static of(RED: NodeAPI, kind: PageKind): PageRoutes {
    if (RED.settings.httpNodeRoot === false) {
      throw new EngineError('EBADPARAM', `a ${KINDS[kind].what} needs Node-RED's pages: the setting httpNodeRoot is false`);
    }
    const kinds = PageRoutes.byKind(RED);
    const routes = kinds.get(kind) ?? new PageRoutes(RED, kind);
    kinds.set(kind, routes);
    return routes;
  }

  private async serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const name = request.params.name ?? '';
    const found = this.pages.get(name);
    if (!found) return next();
    const why = this.sockets?.handshakes.whyOf(request);
    if (why) {
      response.set('Cache-Control', 'no-store').json(why);
    } else if (this.sockets?.wants(request)) {
      await this.accept(found, name, request, response);
    } else {
      response
        .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
        .type('html')
        .send(this.page({ name, ...found.values() }, languageOf(request)));
    }
  }

  private async accept(found: VisitorPage, name: string, request: Request, response: Response): Promise<void> {
    const { door, onLost } = found;
    if (door.isFull) {
      response.status(503).set('Retry-After', '10').type('text').send('This page has as many visitors as it can have.\n');
      return;
    }
    const socket = await this.sockets?.accept(request, response, KINDS[this.kind].brings, () => this.pages.get(name) === found, onLost);
    if (socket) door.enter(socket);
  }
}
