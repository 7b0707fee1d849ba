import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { oncePerRed } from '../common/once-per-red';
import { wallTime } from '../common/wall-time';
import { guards } from '../web/guards';
import { serveIndex } from '../web/index-routes';
import { WebNames, type Named } from '../web/names';
import { languageOf, loadPage } from '../web/pages';
import { guardAdmin, rootsOf } from '../web/site';
import type { Gallery } from './gallery';

/** Who may see the list of all pictures: users of the editor, or everybody who sees the live pictures. */
export type GalleryViewers = 'login' | 'open';

/** A sink's gallery; visitors find it unless it is off. */
export interface GalleryPage extends Named {
  gallery: Gallery;
  viewers: 'off' | GalleryViewers;
}

const listPage = loadPage('gallery.html');
const picturePage = loadPage('take.html');
/** The path of a picture's page, or of the picture. */
const FILE = /^([\w-]{22})(\.jpg)?$/;

/**
 * The galleries of one Node-RED by the names of their sinks: `/streamdiffusion/NAME/gallery` with all pictures, and `…/gallery/ID`
 * and `…/gallery/ID.jpg` for one, open to everybody who was given its id. The list needs the editor's login unless it is open on
 * purpose: `GET streamdiffusion/editor/gallery/NAME`, and `DELETE streamdiffusion/editor/gallery/NAME/ID` on the editor's side.
 */
export class GalleryRoutes {
  readonly pages = new WebNames<GalleryPage>('gallery', 'a sink');

  private constructor(private readonly RED: NodeAPI) {
    serveIndex(RED, 'gallery', () => this.pages.names.filter((name) => this.find(name)));
    RED.httpNode.get('/streamdiffusion/:name/gallery', ...guards(RED), (request, response, next) => this.serve(request, response, next));
    RED.httpNode.get('/streamdiffusion/:name/gallery/:file', ...guards(RED), (request, response, next) => {
      this.serveFile(request, response, next).catch(next);
    });
    guardAdmin(RED);
    RED.httpAdmin.get(
      '/streamdiffusion/editor/gallery/:name',
      RED.auth.needsPermission('streamdiffusion.read'),
      (request, response, next) => {
        const found = this.find(String(request.params.name));
        if (!found) return void response.status(404).json(NONE);
        sendList(found, response).catch(next);
      },
    );
    RED.httpAdmin.delete(
      '/streamdiffusion/editor/gallery/:name/:id',
      RED.auth.needsPermission('streamdiffusion.write'),
      (request, response, next) => {
        const found = this.find(String(request.params.name));
        Promise.resolve(found?.gallery.remove(String(request.params.id))).then(
          (removed) => (removed ? response.status(204).end() : response.status(404).json(NONE)),
          next,
        );
      },
    );
  }

  /** The galleries of this Node-RED; mounted when first asked for. */
  static readonly of = oncePerRed('httpNode', (RED) => new GalleryRoutes(RED));

  private find(name: string): GalleryPage | undefined {
    const page = this.pages.get(name);
    return page?.viewers === 'off' ? undefined : page;
  }

  private serve(request: Request, response: Response, next: NextFunction): void {
    const name = String(request.params.name);
    const found = this.find(name);
    if (!found) return next();
    response
      .set({ ...PRIVATE, 'Cache-Control': 'no-cache', Vary: 'Accept-Language', 'X-Frame-Options': 'SAMEORIGIN' })
      .type('html')
      .send(listPage({ name, viewers: found.viewers, ...rootsOf(this.RED) }, languageOf(request)));
  }

  private async serveFile(request: Request, response: Response, next: NextFunction): Promise<void> {
    const { name, file } = request.params as Record<string, string>;
    const found = this.find(name);
    if (!found) return next();
    if (file === 'list') {
      if (found.viewers === 'open') return sendList(found, response);
      response.status(401).type('text').send('The list of pictures is for users of the editor.\n');
      return;
    }
    const [, id = '', isPicture] = FILE.exec(file) ?? [];
    await found.gallery.ready();
    const picture = found.gallery.find(id);
    response.set(PRIVATE);
    if (!picture) {
      response.status(404).set('Cache-Control', 'no-store').type('text').send('This picture does not exist, or no longer exists.\n');
    } else if (!isPicture) {
      const values = { name, id, left: picture.left };
      response
        .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
        .type('html')
        .send(picturePage(values, languageOf(request)));
    } else {
      const jpeg = await found.gallery.read(id);
      if (!jpeg) return next();
      if ('download' in request.query) response.attachment(`${name} ${wallTime(picture.at)}.jpg`);
      response.set('Cache-Control', 'private, max-age=300').type('jpeg').send(jpeg);
    }
  }
}

const NONE = { code: 'ECLOSED', message: 'there is no such gallery or picture' };
/** A visitor's picture must not be indexed by search engines, nor its address be sent to other sites. */
const PRIVATE = { 'X-Robots-Tag': 'noindex', 'Referrer-Policy': 'no-referrer', 'X-Content-Type-Options': 'nosniff' };

async function sendList({ gallery }: GalleryPage, response: Response): Promise<void> {
  await gallery.ready();
  response.set({ ...PRIVATE, 'Cache-Control': 'no-store' }).json({ pictures: gallery.list });
}
