import type { Node, NodeAPI, NodeDef } from 'node-red';
import { toPicture } from '../engine/image/picture';
import { onClose } from './lib/closing';
import { onInput } from './lib/input';
import { isReset, isSettingsOnly } from './lib/message';
import { SinkFeed } from './lib/sink-feed';
import { SinkRoutes } from './lib/sink-routes';
import { Status } from './lib/status';

const STATUS_MS = 1000;

/** Shows the frames that pass through it under /streamdiffusion/NAME: live page, .mjpg stream, newest .jpg. */
export = (RED: NodeAPI): void => {
  function SinkNode(this: Node, config: NodeDef): void {
    RED.nodes.createNode(this, config);
    const status = new Status(this, RED._);
    const feed = new SinkFeed((error) => this.error(error, {}));
    const routes = serve(this, config.name, feed, status);

    let frames = 0;
    onInput(this, (msg, send) => {
      if (isReset(msg)) {
        feed.reset();
      } else if (!isSettingsOnly(msg)) {
        feed.show(toPicture(msg.payload));
        frames++;
      }
      send(msg);
    });

    let lastCount = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      const fps = Math.round((frames * 1000) / (now - lastCount));
      lastCount = now;
      frames = 0;
      if (!routes) return;
      const viewers = RED._(feed.viewers === 1 ? 'status.viewer' : 'status.viewers', { number: feed.viewers });
      status.show(fps > 0 ? 'running' : 'ready', `${viewers} · ${fps} fps`);
    }, STATUS_MS);

    onClose(this, () => {
      clearInterval(timer);
      status.close();
      routes?.remove(config.name, feed);
      feed.close();
    });
  }

  /** Puts the feed on the web; says why and returns nothing when that cannot be. */
  function serve(node: Node, name: string, feed: SinkFeed, status: Status): SinkRoutes | undefined {
    if (RED.settings.httpNodeRoot === false) {
      status.show('waiting', RED._('status.noHttp'));
      node.warn(RED._('warn.noHttp'));
      return undefined;
    }
    try {
      const routes = SinkRoutes.of(RED);
      routes.add(name, feed);
      return routes;
    } catch (error) {
      status.error(error as Error);
      node.error(error, {});
      return undefined;
    }
  }

  RED.nodes.registerType('streamdiffusion-sink', SinkNode);
};
