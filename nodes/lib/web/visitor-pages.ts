import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { oncePerRed } from '../common/once-per-red';
import { serveIndex } from './index-routes';
import type { Lost } from './lost-handshakes';
import { guards } from './guards';
import { WebNames, type Named } from './names';
import { answerPage, refuseFull } from './page-answer';
import { languageOf, loadPage, type PageValues } from './pages';
import { type Brings, WebSockets } from './sockets';
import type { WebSocket } from 'ws';

/** The kinds of pages whose visitors send something into the flow, by the path after the node's name: the HTML, the messages, and the list on the index page. */
const KINDS = {
  camera: { what: 'camera page', owner: 'a source with a camera page', html: 'camera.html', brings: 'pictures', list: 'cameras' },
  draw: { what: 'drawing page', owner: 'a source with a drawing page', html: 'draw.html', brings: 'settings', list: 'draw' },
  wish: { what: "page for visitors' prompts", owner: 'a sink', html: 'wish.html', brings: 'words', list: 'wish' },
} as const satisfies Record<string, { what: string; owner: string; html: string; brings: Brings; list: string }>;
export type PageKind = keyof typeof KINDS;

/** Takes the WebSockets of a page's visitors. */
export interface Door {
  /** Whether there is no room for another visitor. */
  readonly isFull?: boolean;
  enter(socket: WebSocket): void;
  /** Disconnects all visitors, since the node is closing. */
  end(): void;
}

/** A served page. */
export interface VisitorPage extends Named {
  door: Door;
  /** The values of its placeholders besides its name. */
  values: () => PageValues;
  /** Called when a WebSocket's handshake lacks a header. */
  onLost?: (what: Lost, request: Request) => void;
}

/** The pages of one kind in one Node-RED by the names of their nodes, and their common route. */
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
    await answerPage(this.sockets, request, response, {
      accept: () => this.accept(found, name, request, response),
      sendPage: () =>
        response
          .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
          .type('html')
          .send(this.page({ name, ...found.values() }, languageOf(request))),
    });
  }

  private async accept(found: VisitorPage, name: string, request: Request, response: Response): Promise<void> {
    const { door, onLost } = found;
    if (door.isFull) return refuseFull(response, 'This page has as many visitors');
    const socket = await this.sockets?.accept(request, response, KINDS[this.kind].brings, () => this.pages.get(name) === found, onLost);
    if (socket) door.enter(socket);
  }
}
