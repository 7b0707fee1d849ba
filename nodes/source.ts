import type { Node, NodeAPI, NodeAPISettingsWithData } from 'node-red';
import { PageRoutes, type PageKind, type VisitorPage } from './lib/web/visitor-pages';
import { sinkBeside } from './lib/sink/routes';
import { onClose } from './lib/common/closing';
import { disableNode } from './lib/common/error-throttle';
import { isWayland } from './lib/ffmpeg/devices';
import { FrameSource } from './lib/source/frame-source';
import { onInput, type InputHandler } from './lib/common/input';
import { warnOfLost } from './lib/web/lost-handshakes';
import { holdsLogin, readSourceSettings, type SourceCredentials, type SourceDef, type SourceSettings } from './lib/source/settings';
import { startNode } from './lib/common/start-node';
import { mountIndex } from './lib/web/index-routes';

/** In settings.js: ffmpeg's path, for sources whose dialog does not give it. */
interface Settings extends NodeAPISettingsWithData {
  streamdiffusionSourceFfmpeg?: string;
}

/** The frame source: pictures at a steady rate from a moving test card, a folder, a video, a camera or a visitor's browser. */
export = (RED: NodeAPI<Settings>): void => {
  function StreamDiffusionSource(this: Node<SourceCredentials>, def: SourceDef): void {
    const status = startNode(RED, this, def);
    let settings: SourceSettings;
    try {
      settings = readSourceSettings(def, this.credentials, RED.settings.streamdiffusionSourceFfmpeg);
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    if (holdsLogin(def)) this.warn(RED._('warn.login'));
    if (settings.kind === 'screen' && isWayland(def.screen?.trim() ?? '')) this.warn(RED._('warn.wayland'));
    let source: FrameSource | undefined;
    let listen = (handle: InputHandler): void => onInput(this, handle);
    const begin = (): void => {
      const begun = new FrameSource(this, settings, status, RED._);
      source = begun;
      listen((msg) => begun.take(msg));
    };
    let leave = (): void => undefined;
    if (settings.page) {
      const {
        width,
        height,
        page: { kind, door },
      } = settings;
      const page = {
        door,
        values: () => ({ width, height, result: sinkBeside(RED, def.name, def.result ?? '') }),
        onServed: begin,
        onLost: warnOfLost(this, RED._),
      };
      leave = openPage(kind, def, page, (error) => {
        listen = disableNode(this, status, error);
      });
    } else {
      begin();
    }
    onClose(this, () => {
      leave();
      return source?.close();
    });
  }

  /** Serves the page as soon as its name is free; returns a function that ends this. */
  function openPage(kind: PageKind, { name }: SourceDef, page: VisitorPage, failed: (error: unknown) => void): () => void {
    let pages: PageRoutes['pages'] | undefined;
    try {
      ({ pages } = PageRoutes.of(RED, kind));
      pages.add(name, page);
    } catch (thrown) {
      failed(thrown);
    }
    return () => {
      pages?.remove(name, page);
      page.door.end();
    };
  }

  mountIndex(RED);
  RED.nodes.registerType<Node<SourceCredentials>, SourceDef, object, SourceCredentials>('streamdiffusion-source', StreamDiffusionSource, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
};
