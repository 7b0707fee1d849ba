import type { Node, NodeAPI, NodeAPISettingsWithData } from 'node-red';
import { onClose } from './lib/closing';
import { standStill } from './lib/faults';
import { FrameSource } from './lib/frame-source';
import { onInput } from './lib/input';
import { readSourceSettings, type SourceCredentials, type SourceDef, type SourceSettings } from './lib/source-settings';
import { Status } from './lib/status';

/** In settings.js: where ffmpeg is, for sources whose dialog does not say. */
interface Settings extends NodeAPISettingsWithData {
  streamdiffusionSourceFfmpeg?: string;
}

/** The frame source: pictures at a steady rate from a moving test card, a folder, a video or a camera. */
export = (RED: NodeAPI<Settings>): void => {
  function StreamDiffusionSource(this: Node<SourceCredentials>, def: SourceDef): void {
    RED.nodes.createNode(this, def);
    const status = new Status(this, RED._);
    let settings: SourceSettings;
    try {
      settings = readSourceSettings(def, this.credentials, RED.settings.streamdiffusionSourceFfmpeg);
    } catch (thrown) {
      standStill(this, status, thrown);
      return;
    }
    const source = new FrameSource(this, settings, status, RED._);
    onInput(this, (msg) => source.take(msg));
    onClose(this, () => source.close());
  }

  RED.nodes.registerType<Node<SourceCredentials>, SourceDef, object, SourceCredentials>('streamdiffusion-source', StreamDiffusionSource, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
};
