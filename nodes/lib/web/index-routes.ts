import type { RequestHandler } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { qrCode } from '../common/qr-code';
import { guards } from './guards';
import { languageOf, loadPage } from './pages';
import { guardAdmin } from './site';

const page = loadPage('index.html');

/** The names of sinks and sources with pages, by kind. */
interface Pages {
  live: () => string[];
  play: () => string[];
  cameras: () => string[];
  draw: () => string[];
  wish: () => string[];
  gallery: () => string[];
}

/**
 * `GET /streamdiffusion/`: a list of all pages with small pictures and QR codes; beside it `qr.svg?to=ADDRESS`.
 * For the dialogs, under the editor's own login, `GET streamdiffusion/editor/qr?to=ADDRESS`.
 *
 * Called when a node with pages is registered: the list is there, and says that it is empty, before the first such node is deployed.
 */
export const mountIndex = (RED: NodeAPI): void => void pagesOf(RED);

/** @param names the names of the pages of one kind */
export function serveIndex(RED: NodeAPI, kind: keyof Pages, names: () => string[]): void {
  pagesOf(RED)[kind] = names;
}

const pagesOf = oncePerRed('httpNode', (RED) => {
  const pages: Pages = { live: () => [], play: () => [], cameras: () => [], draw: () => [], wish: () => [], gallery: () => [] };
  RED.httpNode.get('/streamdiffusion', ...guards(RED), (request, response) => {
    const values = Object.fromEntries(Object.entries(pages).map(([each, all]: [string, () => string[]]) => [each, all().sort().join(' ')]));
    response
      .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
      .type('html')
      .send(page(values, languageOf(request)));
  });
  RED.httpNode.get('/streamdiffusion/qr.svg', ...guards(RED), sendCode);
  guardAdmin(RED);
  RED.httpAdmin.get('/streamdiffusion/editor/qr', RED.auth.needsPermission('streamdiffusion.read'), sendCode);
  return pages;
});

const sendCode: RequestHandler = (request, response) => {
  const { to } = request.query;
  const code = typeof to === 'string' ? qrCode(to) : undefined;
  if (code) response.set('Cache-Control', 'max-age=86400').type('svg').send(code);
  else response.status(400).type('text').send('?to= must be the address of a page of this Node-RED, of at most 300 characters.\n');
};
