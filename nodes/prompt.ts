import type { Node, NodeAPI, NodeDef } from 'node-red';
import { onClose } from './lib/closing';
import { standStill } from './lib/faults';
import { onInput } from './lib/input';
import { isMeantAsPicture } from './lib/message';
import { isTextPayload, PromptState } from './lib/prompt-state';
import { shorten, Status } from './lib/status';

interface PromptDef extends NodeDef {
  prompt?: string;
  negativePrompt?: string;
}

/** The prompt encoder: says under which prompts frames are denoised, in `msg.conditioning`. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionPrompt(this: Node, def: PromptDef): void {
    RED.nodes.createNode(this, def);
    const status = new Status(this, RED._);
    let state: PromptState;
    try {
      state = new PromptState(def.prompt, def.negativePrompt);
    } catch (thrown) {
      standStill(this, status, thrown);
      return;
    }
    const showPrompt = (): void => status.ready(shorten(state.text, 32) || RED._('status.empty'));
    showPrompt();

    // A denoiser beside the frame line learns the prompt when the flow starts, and again after every deploy: it may
    // have been restarted without this node.
    const sendPrompt = (): void => this.send({ conditioning: state.conditioning });
    RED.events.on('flows:started', sendPrompt);

    onInput(this, (msg, send) => {
      const isNews = state.take(msg);
      showPrompt();
      const isFrame = isMeantAsPicture(msg) && !isTextPayload(msg);
      if (isNews && !isFrame) delete msg.payload;
      msg.conditioning = state.conditioning;
      send(msg);
    });

    onClose(this, () => {
      RED.events.off('flows:started', sendPrompt);
      status.close();
    });
  }

  RED.nodes.registerType('streamdiffusion-prompt', StreamDiffusionPrompt);
};
