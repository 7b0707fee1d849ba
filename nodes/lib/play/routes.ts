import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { serveIndex } from '../web/index-routes';
import type { Lost } from '../web/lost-handshakes';
import { guards } from '../web/guards';
import { WebNames, type Named } from '../web/names';
import { answerPage, refuseFull } from '../web/page-answer';
import { languageOf, loadPage } from '../web/pages';
import { guardAdmin, rootsOf } from '../web/site';
import { WebSockets } from '../web/sockets';
import type { Desk } from './desk';
import { Tickets } from './tickets';

const page = loadPage('play.html');

/** Who may play: those who may change flows, or everybody who sees the pictures. */
export type Players = 'login' | 'open';

/** The performance page of a sink as its players find it. */
export interface PlayPage extends Named {
  desk: Desk;
  players: Players;
  /** Called when a WebSocket's handshake lacks a header. */
  onLost?: (what: Lost, request: Request) => void;
}

/**
 * The performance pages of one Node-RED by the names of their sinks: `/streamdiffusion/NAME/play` and the WebSocket there. They
 * need the editor's login unless a page is open on purpose: `POST streamdiffusion/tickets/NAME` on the editor's side gives
 * logged-in users a ticket for one WebSocket.
 */
export class PlayRoutes {
  readonly pages = new WebNames<PlayPage>('performance page', 'a sink');
  private readonly sockets: WebSockets | undefined;
  private readonly tickets = new Tickets();

  private constructor(private readonly RED: NodeAPI) {
    this.sockets = WebSockets.of(RED);
    serveIndex(RED, 'play', () => this.pages.names);
    const lost = (what: Lost, request: Request): void => this.pages.get(request.params.name ?? '')?.onLost?.(what, request);
    RED.httpNode.get('/streamdiffusion/:name/play', ...guards(RED, lost), (request, response, next) => {
      this.serve(request, response, next).catch(next);
    });
    guardAdmin(RED);
    RED.httpAdmin.post('/streamdiffusion/tickets/:name', RED.auth.needsPermission('streamdiffusion.write'), (request, response) => {
      const name = String(request.params.name);
      if (!this.pages.get(name)) return void response.status(404).json({ code: 'ECLOSED', message: 'there is no such performance page' });
      response.set('Cache-Control', 'no-store').json({ ticket: this.tickets.issue(name) });
    });
  }

  /** The performance pages of this Node-RED; mounted when first asked for. */
  static readonly of = oncePerRed('httpNode', (RED) => new PlayRoutes(RED));

  private async serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const name = request.params.name ?? '';
    const found = this.pages.get(name);
    if (!found) return next();
    await answerPage(this.sockets, request, response, {
      accept: () => this.accept(found, name, request, response),
      sendPage: () => {
        const values = { name, players: found.players, ...rootsOf(this.RED) };
        response
          .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language', 'X-Frame-Options': 'SAMEORIGIN' })
          .type('html')
          .send(page(values, languageOf(request)));
      },
    });
  }

  private async accept(found: PlayPage, name: string, request: Request, response: Response): Promise<void> {
    const { desk, players, onLost } = found;
    if (desk.isFull) {
      refuseFull(response, 'This page has as many players');
    } else if (players === 'login' && !this.tickets.take(request.query.ticket, name)) {
      response.status(401).type('text').send('This page needs a ticket, which the editor gives to logged-in users.\n');
    } else {
      const socket = await this.sockets?.accept(request, response, 'settings', () => this.pages.get(name) === found, onLost);
      if (socket) desk.enter(socket);
    }
  }
}
