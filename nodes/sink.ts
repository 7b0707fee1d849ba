import type { Node, NodeAPI } from 'node-red';
import { toPicture } from '../engine/image/picture';
import { onClose } from './lib/closing';
import { frameFacts } from './lib/frame-message';
import { FrameRate } from './lib/frame-rate';
import { onInput, withCode } from './lib/input';
import { isReset, isSettingsOnly } from './lib/message';
import { SinkFeed } from './lib/sink-feed';
import { SinkRoutes } from './lib/sink-routes';
import { readPageLook, type SinkDef } from './lib/sink-settings';
import { Status } from './lib/status';

/** The sink: shows the frames that pass through it under /streamdiffusion/NAME, as page, .mjpg stream and newest .jpg. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionSink(this: Node, def: SinkDef): void {
    RED.nodes.createNode(this, def);
    const status = new Status(this, RED._);
    const feed = new SinkFeed((error) => this.error(error, {}));
    const rate = new FrameRate();
    const routes = serve(this, def, feed, status);

    onInput(this, (msg, send) => {
      if (isReset(msg)) {
        feed.reset();
      } else if (!isSettingsOnly(msg)) {
        feed.show(toPicture(msg.payload), frameFacts(msg));
        rate.count();
      }
      send(msg);
    });

    const ticker = setInterval(() => {
      const fps = rate.take();
      if (!routes) return;
      const viewers = RED._(feed.viewers === 1 ? 'status.viewer' : 'status.viewers', { number: feed.viewers });
      status.show(fps > 0 ? 'running' : 'ready', `${viewers} · ${fps} fps`);
    }, 1000).unref();

    onClose(this, () => {
      clearInterval(ticker);
      status.close();
      routes?.remove(def.name, feed);
      feed.close();
    });
  }

  /** Puts the feed on the web; says why and returns nothing when that cannot be. Messages pass through all the same. */
  function serve(node: Node, def: SinkDef, feed: SinkFeed, status: Status): SinkRoutes | undefined {
    if (RED.settings.httpNodeRoot === false) {
      status.show('waiting', RED._('status.noHttp'));
      node.warn(RED._('warn.noHttp'));
      return undefined;
    }
    try {
      const routes = SinkRoutes.of(RED);
      routes.add(def.name, feed, readPageLook(def));
      return routes;
    } catch (thrown) {
      const error = withCode(thrown);
      status.error(error);
      node.error(error, {});
      return undefined;
    }
  }

  RED.nodes.registerType('streamdiffusion-sink', StreamDiffusionSink);
};
