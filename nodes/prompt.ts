import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { tellChange } from './lib/common/changes';
import { onClose } from './lib/common/closing';
import { disableNode } from './lib/common/error-throttle';
import { onInput, withCode } from './lib/common/input';
import { isMeantAsPicture, topicOf } from './lib/common/message';
import { PromptPacer } from './lib/prompt/pacer';
import { readPictureField } from './lib/prompt/picture-field';
import { adaptersBehind, takePictures } from './lib/prompt/pictures-of-message';
import { PromptStatus } from './lib/prompt/status';
import { serveWords } from './lib/prompt/words';
import { isSayingPayload, PromptState, type PromptFields } from './lib/prompt/state';
import { startNode } from './lib/common/start-node';
import { PromptTuning } from './lib/prompt/tuning';
import { serveTuning, TUNABLES } from './lib/web/tuning-routes';

type PromptDef = NodeDef & PromptFields;

/** The prompt encoder: puts the prompts that frames are denoised under into `msg.conditioning`. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionPrompt(this: Node, def: PromptDef): void {
    const status = startNode(RED, this, def);
    let state: PromptState;
    try {
      state = new PromptState(def);
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    const promptStatus = new PromptStatus(RED, this, status);
    const showPrompt = (): void => promptStatus.show(state.text);
    const send = (msg: NodeMessage): void => {
      tellChange(RED, topicOf(msg));
      this.send(msg);
      showPrompt();
    };
    const pacer = new PromptPacer(state, send);
    TUNABLES.lend(this, new PromptTuning(state, pacer, send, def));
    showPrompt();

    // A denoiser whose frames do not pass this node gets the prompt when the flow starts, and after every deploy: it may
    // have been restarted without this node.
    const sendPrompt = (): void => {
      promptStatus.refresh();
      this.send({ conditioning: state.next(performance.now(), false) });
    };
    RED.events.on('flows:started', sendPrompt);

    // The texts do not wait for the file, which may be on a slow disk.
    let isClosed = false;
    readPictureField(def)
      .then((images) => {
        if (isClosed || Object.keys(images).length === 0) return;
        state.start(images);
        sendPrompt();
      })
      .catch((thrown: unknown) => isClosed || this.error(withCode(thrown)));

    onInput(this, (msg, send) => {
      const now = performance.now();
      const topic = topicOf(msg);
      const isFrame = isMeantAsPicture(msg) && !isSayingPayload(msg);
      const pictures = msg.pictures === undefined ? undefined : takePictures(msg, adaptersBehind(RED, this.id), isFrame);
      const isNews = state.take(msg, now, pictures);
      if (isNews && !isFrame) delete msg.payload;
      pacer.heard(msg, isNews, isFrame, now);
      if (isNews || state.moving) tellChange(RED, topic);
      msg.conditioning = state.next(now, isFrame);
      showPrompt();
      send(msg);
    });

    onClose(this, () => {
      isClosed = true;
      RED.events.off('flows:started', sendPrompt);
      pacer.stop();
      status.close();
    });
  }

  serveWords(RED);
  serveTuning(RED);
  RED.nodes.registerType('streamdiffusion-prompt', StreamDiffusionPrompt);
};
