import type { Node, NodeAPI, NodeAPISettingsWithData } from 'node-red';
import type { CameraDoor } from './lib/camera-door';
import { CameraRoutes } from './lib/camera-routes';
import { onClose } from './lib/closing';
import { standStill } from './lib/faults';
import { isWayland } from './lib/ffmpeg-devices';
import { FrameSource } from './lib/frame-source';
import { onInput } from './lib/input';
import { holdsLogin, readSourceSettings, type SourceCredentials, type SourceDef, type SourceSettings } from './lib/source-settings';
import { startNode } from './lib/start-node';

/** In settings.js: where ffmpeg is, for sources whose dialog does not say. */
interface Settings extends NodeAPISettingsWithData {
  streamdiffusionSourceFfmpeg?: string;
}

/** The frame source: pictures at a steady rate from a moving test card, a folder, a video, a camera or a visitor's browser. */
export = (RED: NodeAPI<Settings>): void => {
  function StreamDiffusionSource(this: Node<SourceCredentials>, def: SourceDef): void {
    const status = startNode(RED, this, def);
    let settings: SourceSettings;
    let leave = (): void => undefined;
    try {
      settings = readSourceSettings(def, this.credentials, RED.settings.streamdiffusionSourceFfmpeg);
      if (settings.door) leave = openCameraPage(def, settings.door);
    } catch (thrown) {
      standStill(this, status, thrown);
      return;
    }
    if (holdsLogin(def)) this.warn(RED._('warn.login'));
    if (settings.kind === 'screen' && isWayland(def.screen?.trim() ?? '')) this.warn(RED._('warn.wayland'));
    const source = new FrameSource(this, settings, status, RED._);
    onInput(this, (msg) => source.take(msg));
    onClose(this, () => {
      leave();
      return source.close();
    });
  }

  /** Puts the page on the web; returns what takes it away again. */
  function openCameraPage({ name, result = '' }: SourceDef, door: CameraDoor): () => void {
    const routes = CameraRoutes.of(RED);
    routes.add(name, { door, result });
    return () => {
      routes.remove(name, door);
      door.end();
    };
  }

  RED.nodes.registerType<Node<SourceCredentials>, SourceDef, object, SourceCredentials>('streamdiffusion-source', StreamDiffusionSource, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
};
