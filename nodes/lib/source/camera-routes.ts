import type { NextFunction, Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import type { CameraDoor } from './camera-door';
import { serveIndex } from '../web/index-routes';
import type { Lost } from '../web/lost-handshakes';
import { SinkRoutes } from '../sink/routes';
import { guards } from '../web/guards';
import { WebNames, type Named } from '../web/names';
import { languageOf, loadPage } from '../web/pages';
import { WebSockets } from '../web/sockets';

const page = loadPage('camera.html');

/** A camera page's source as visitors find it. */
export interface Camera extends Named {
  door: CameraDoor;
  /** The sink that the page shows beside the camera; '' for the one that fits best. */
  result: string;
  /** Told when a WebSocket came without what it needs. */
  onLost?: (what: Lost, request: Request) => void;
}

/** The camera pages of one Node-RED by the names of their sources, and the one route behind which they are reached. */
export class CameraRoutes {
  readonly cameras = new WebNames<Camera>('camera page', 'a source with a camera page');
  private readonly sockets: WebSockets | undefined;

  private constructor(private readonly RED: NodeAPI) {
    this.sockets = WebSockets.of(RED);
    const lost = (what: Lost, request: Request): void => this.cameras.get(request.params.name ?? '')?.onLost?.(what, request);
    serveIndex(RED, 'cameras', () => this.cameras.names);
    RED.httpNode.get('/streamdiffusion/:name/camera', ...guards(RED, lost), (request, response, next) => {
      this.serve(request, response, next).catch(next);
    });
  }

  private static readonly mounted = new WeakMap<object, CameraRoutes>();

  /**
   * The camera pages of this Node-RED; mounted when first asked for.
   * @throws EBADPARAM when Node-RED serves no pages
   */
  static of(RED: NodeAPI): CameraRoutes {
    if (RED.settings.httpNodeRoot === false) {
      throw new EngineError('EBADPARAM', "a camera page needs Node-RED's pages: the setting httpNodeRoot is false");
    }
    let routes = CameraRoutes.mounted.get(RED.httpNode);
    if (!routes) {
      routes = new CameraRoutes(RED);
      CameraRoutes.mounted.set(RED.httpNode, routes);
    }
    return routes;
  }

  private async serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const name = request.params.name ?? '';
    const camera = this.cameras.get(name);
    if (!camera) return next();
    const why = this.sockets?.handshakes.whyOf(request);
    if (why) {
      response.set('Cache-Control', 'no-store').json(why);
      return;
    }
    if (this.sockets?.wants(request)) {
      const socket = await this.sockets.accept(request, response, 'pictures', camera.onLost);
      if (socket) camera.door.enter(socket);
      return;
    }
    const { width, height } = camera.door.format;
    const values = { name, width, height, result: this.resultFor(name, camera.result) };
    response
      .set({ 'Cache-Control': 'no-cache', Vary: 'Accept-Language' })
      .type('html')
      .send(page(values, languageOf(request)));
  }

  /** The sink of the dialog, else the one of the same name, else the first one. */
  private resultFor(name: string, chosen: string): string {
    const { names } = SinkRoutes.of(this.RED).sinks;
    return [chosen, name].find((one) => names.includes(one)) ?? names[0] ?? '';
  }
}
