import type { Node, NodeAPI, NodeAPISettingsWithData, NodeMessage } from 'node-red';
import type { EngineError } from '../engine/errors';
import { toPicture } from '../engine/image/picture';
import { onClose } from './lib/common/closing';
import { Opening } from './lib/common/opening';
import { ErrorThrottle, disableNode } from './lib/common/error-throttle';
import { readBoolean, readOptionalNumber } from './lib/common/fields';
import { frameFacts } from './lib/common/frame-message';
import { FrameRate } from './lib/common/frame-rate';
import { onInput, withCode } from './lib/common/input';
import { LOOKED_AT } from './lib/common/looked-at';
import { isMeantAsPicture, isReset, isSettingsOnly } from './lib/common/message';
import { openPages, type SinkPages } from './lib/play/open-page';
import { mountIndex } from './lib/web/index-routes';
import { warnOfLost } from './lib/web/lost-handshakes';
import { SinkFeed } from './lib/sink/feed';
import { galleryPath, keepSnapshot, openGallery, type GalleryChoice } from './lib/sink/open-gallery';
import { VirtualCamera } from './lib/sink/virtual-camera';
import { Push } from './lib/sink/push';
import type { PushCredentials } from './lib/sink/push-address';
import { SinkMedia } from './lib/sink/media';
import { SinkRoutes, type Sink } from './lib/sink/routes';
import {
  holdsLogin,
  readGallery,
  readHours,
  readPages,
  readPush,
  readVirtualCamera,
  readMediaOptions,
  readPageLook,
  type SinkDef,
} from './lib/sink/settings';
import { startNode } from './lib/common/start-node';
import type { Status } from './lib/common/status';

/** The fade to black and back when the sink closes and opens, ms. */
const CLOSE_MS = 2000;

/** In settings.js: where ffmpeg is, for recordings and virtual cameras. */
interface Settings extends NodeAPISettingsWithData {
  streamdiffusionSinkFfmpeg?: string;
}

/**
 * The sink: shows the frames that pass through it under /streamdiffusion/NAME, as page, .mjpg stream and newest .jpg,
 * and records them when it is told to.
 */
export = (RED: NodeAPI<Settings>): void => {
  function StreamDiffusionSink(this: Node<PushCredentials>, def: SinkDef): void {
    const status = startNode(RED, this, def);
    const report = (error: EngineError): void => this.error(error, {});
    const faults = new ErrorThrottle();
    const reportOnce = (error: EngineError): void => void (faults.isNews(error) && report(error));
    const feed = new SinkFeed(reportOnce);
    LOOKED_AT.lend(this, feed);
    const rate = new FrameRate();
    const { streamdiffusionSinkFfmpeg: ffmpeg } = RED.settings;
    let media: SinkMedia;
    let camera: VirtualCamera | undefined;
    let push: Push | undefined;
    let choice: ReturnType<typeof readPages>;
    let pictures: GalleryChoice;
    let times: ReturnType<typeof readHours>;
    try {
      media = new SinkMedia(def.name, readMediaOptions(def, ffmpeg), feed, {
        failed: report,
        leftOut: (number, file) => this.warn(RED._('warn.leftOut', { number, file })),
      });
      choice = readPages(def);
      pictures = readGallery(def);
      times = readHours(def);
      const options = readVirtualCamera(def, ffmpeg);
      camera = options && new VirtualCamera(options, reportOnce);
      const where = readPush(def, this.credentials, ffmpeg);
      push = where && new Push(where, reportOnce);
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    if (holdsLogin(def)) this.warn(RED._('warn.login'));
    let isServed = false;
    const leave = serve(this, def, feed, status, () => (isServed = true));
    const played = [camera, push].filter((one) => one !== undefined);
    for (const one of played) void feed.add(one);
    // A fault of the name has already been reported.
    const failed = (thrown: unknown): void => void (isServed && report(withCode(thrown) as EngineError));
    const closeGallery = gallery(def.name, pictures, media, report, failed);
    const pages = RED.settings.httpNodeRoot === false ? undefined : openPages(RED, this, def.name, choice, feed, media, failed);

    const opening = new Opening(times.hours, (isOpen) => feed.close(isOpen ? undefined : times.look, CLOSE_MS));
    if (!opening.isOpen) feed.close(times.look);

    onInput(this, async (msg, send) => {
      if (msg.hours !== undefined) opening.obey(msg);
      if (isReset(msg)) {
        feed.reset();
      } else if (isMeantAsPicture(msg) || !(isSettingsOnly(msg) || isOrder(msg))) {
        feed.show(toPicture(msg.payload), frameFacts(msg));
        rate.count();
      }
      if (isOrder(msg)) await obey(msg, media, feed, (id) => galleryPath(RED, def.name, id), pages).finally(() => pages?.look());
      send(msg);
    });

    const ticker = setInterval(() => {
      const fps = rate.take();
      if (!isServed) return;
      const programs = [media.isRecording && 'recording', camera?.isPlaying && 'loopback', push?.state]
        .filter(Boolean)
        .map((what) => RED._(`status.${what}`));
      const people = feed.viewers - (media.isRecording ? 1 : 0) - played.length;
      const viewers = RED._(people === 1 ? 'status.viewer' : 'status.viewers', { number: people });
      const told = [...programs, viewers].map((text) => ` · ${text}`).join('');
      if (!opening.isOpen) return status.outOfHours(opening.opens, told);
      status.show(fps > 0 ? 'running' : 'ready', [...programs, viewers, status.rate(fps)].join(' · '));
    }, 1000).unref();

    onClose(this, async () => {
      clearInterval(ticker);
      opening.close();
      status.close();
      leave();
      const written = [media.stop(), camera?.finish(), push?.finish(), pages?.close(), closeGallery()];
      feed.end();
      await Promise.all(written);
    });
  }

  /** Opens the sink's gallery, if it has one; returns a function that closes it. */
  function gallery(
    name: string,
    choice: GalleryChoice,
    media: SinkMedia,
    report: (error: EngineError) => void,
    failed: (thrown: unknown) => void,
  ): () => Promise<void> {
    try {
      if (RED.settings.httpNodeRoot !== false) return openGallery(RED, name, choice, media, report);
    } catch (thrown) {
      failed(thrown);
    }
    return () => Promise.resolve();
  }

  /**
   * Serves the sink as soon as its name is free, or reports why it cannot. Messages pass through either way. Returns a function
   * that ends this.
   */
  function serve(node: Node, def: SinkDef, feed: SinkFeed, status: Status, onServed: () => void): () => void {
    if (RED.settings.httpNodeRoot === false) {
      status.show('waiting', RED._('status.noHttp'));
      node.warn(RED._('warn.noHttp'));
      return () => undefined;
    }
    const { sinks } = SinkRoutes.of(RED);
    let sink: Sink | undefined;
    try {
      sink = { feed, look: readPageLook(def), onServed, onLost: warnOfLost(node, RED._) };
      sinks.add(def.name, sink);
    } catch (thrown) {
      const error = withCode(thrown);
      status.error(error);
      node.error(error, {});
    }
    return () => void (sink && sinks.remove(def.name, sink));
  }

  mountIndex(RED);
  RED.nodes.registerType<Node<PushCredentials>, SinkDef, object, PushCredentials>('streamdiffusion-sink', StreamDiffusionSink, {
    credentials: { user: { type: 'text' }, password: { type: 'password' }, key: { type: 'password' } },
  });
};

/** Whether the message is a command (a recording, a snapshot, black, freeze) or answers a visitor. */
const isOrder = (msg: NodeMessage): boolean =>
  msg.hours !== undefined ||
  msg.record !== undefined ||
  Boolean(msg.snapshot) ||
  msg.blackout !== undefined ||
  msg.freeze !== undefined ||
  msg.answer !== undefined;

/** Obeys the message, and puts into it the file that is written and the snapshot's address in the gallery. */
async function obey(
  msg: NodeMessage,
  media: SinkMedia,
  feed: SinkFeed,
  addressOf: (picture: string) => string,
  pages?: SinkPages,
): Promise<void> {
  if (msg.answer !== undefined) pages?.answer(msg.visitor, msg.answer);
  if (msg.freeze !== undefined) feed.freeze(readBoolean(msg.freeze, 'msg.freeze'));
  if (msg.blackout !== undefined) {
    const on = readBoolean(msg.blackout, 'msg.blackout');
    feed.blackout(on, readOptionalNumber(msg.fade, 'msg.fade', 0, { min: 0, max: 60_000 }));
  }
  if (msg.record !== undefined) {
    const file = readBoolean(msg.record, 'msg.record') ? await media.record() : await media.stop();
    if (file) msg.filename = file;
  }
  if (msg.snapshot) Object.assign(msg, await keepSnapshot(media, addressOf));
}
