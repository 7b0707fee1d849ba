import { basename } from 'node:path';
import type { Node, NodeAPI, NodeAPISettingsWithData, NodeMessageInFlow } from 'node-red';
import { EngineError } from '../engine/errors';
import { onClose } from './lib/closing';
import { describe } from './lib/fields';
import { onInput, withCode } from './lib/input';
import { isReset } from './lib/message';
import type { Producer } from './lib/source-producer';
import { readSourceSettings, type SourceConfig, type SourceCredentials, type SourceSettings } from './lib/source-settings';
import { shorten, Status } from './lib/status';

const FPS_MS = 1000;

/** In settings.js: where ffmpeg is, for sources whose dialog does not say. */
interface Settings extends NodeAPISettingsWithData {
  streamdiffusionSourceFfmpeg?: string;
}

/** Sends pictures at a steady rate: a moving test card, the pictures of a folder, a video or a camera. */
export = (RED: NodeAPI<Settings>): void => {
  function SourceNode(this: Node<SourceCredentials>, config: SourceConfig): void {
    RED.nodes.createNode(this, config);
    const status = new Status(this, RED._);
    let settings: SourceSettings;
    try {
      settings = readSourceSettings(config, this.credentials, RED.settings.streamdiffusionSourceFfmpeg);
    } catch (error) {
      status.error(error as Error);
      this.error(error, {});
      onInput(this, () => Promise.reject(error));
      return;
    }

    let producer: Producer | undefined;
    let lastFrameId = 0;
    let sentThisSecond = 0;
    let lastError = '';

    const failed = (thrown: unknown, retryMs?: number): void => {
      const error = withCode(thrown);
      status.error(error);
      // The same reason again, on a later try, is not news.
      if (error.message !== lastError) this.error(error, {});
      lastError = error.message;
      if (retryMs === undefined) producer = undefined;
    };

    const start = (): void => {
      if (producer) return;
      status.show('waiting', RED._('status.starting'));
      try {
        producer = settings.produce({
          frame: (payload, filename) => {
            lastError = '';
            if (filename) status.show('running', shorten(basename(filename), 32));
            else sentThisSecond++;
            const { kind: source, width, height, topic } = settings;
            const frame = { id: ++lastFrameId, width, height, timestamp: Date.now(), source };
            this.send({ payload, contentType: 'image/jpeg', topic, frame, ...(filename && { filename }) });
          },
          failed,
          ended: () => {
            producer = undefined;
            status.show('stopped', RED._('status.ended'));
          },
        });
      } catch (thrown) {
        failed(thrown);
      }
    };

    const stop = async (): Promise<void> => {
      const stopping = producer;
      producer = undefined;
      status.stopped();
      await stopping?.stop();
    };

    onInput(this, async (msg) => {
      const command = commandOf(msg);
      if (command !== 'start') await stop();
      if (command !== 'stop') start();
    });

    let countedAt = performance.now();
    const fpsTimer = setInterval(() => {
      const now = performance.now();
      const fps = Math.round((sentThisSecond * 1000) / (now - countedAt));
      if (sentThisSecond > 0 && producer) status.show('running', `${fps} fps`);
      sentThisSecond = 0;
      countedAt = now;
    }, FPS_MS);

    onClose(this, async () => {
      clearInterval(fpsTimer);
      status.close();
      await stop();
    });

    if (settings.autostart) start();
    else status.stopped();
  }

  RED.nodes.registerType<Node<SourceCredentials>, SourceConfig, object, SourceCredentials>('streamdiffusion-source', SourceNode, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
};

/** What a message asks a source to do; `msg.reset` begins again from the first picture. */
function commandOf(msg: NodeMessageInFlow): 'start' | 'stop' | 'restart' {
  if (isReset(msg)) return 'restart';
  if (msg.payload === true || msg.payload === 'start') return 'start';
  if (msg.payload === false || msg.payload === 'stop') return 'stop';
  throw new EngineError('EBADPARAM', `a frame source takes "start", "stop", true or false as msg.payload, not ${describe(msg.payload)}`);
}
