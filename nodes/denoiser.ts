import type { Node, NodeAPI, NodeDef } from 'node-red';
import { isWanted, type Passage } from './lib/denoiser/audience';
import { tellChange } from './lib/common/changes';
import { PAINTINGS } from './lib/common/painting';
import { readSafety, type SafetyFields } from './lib/denoiser/safety';
import { onClose } from './lib/common/closing';
import { Denoiser } from './lib/denoiser/denoiser';
import { serveTuning, TUNABLES } from './lib/web/tuning-routes';
import { getEngine } from './lib/engine/node';
import { disableNode } from './lib/common/error-throttle';
import { readOptionalBoolean } from './lib/common/fields';
import { onInput } from './lib/common/input';
import { isSettingsOnly, topicOf } from './lib/common/message';
import { startNode } from './lib/common/start-node';
import { readDialog, type DenoiserFields } from './lib/denoiser/stream-settings';

type DenoiserDef = NodeDef & DenoiserFields & SafetyFields & { engine?: string; restUnseen?: unknown };

/** The stream-batch denoiser: frames in, denoised frames out. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionDenoiser(this: Node, def: DenoiserDef): void {
    const status = startNode(RED, this, def);
    let denoiser: Denoiser;
    const find = (id: string): Passage | null => RED.nodes.getNode(id) as (Node & Passage) | null;
    // Node-RED changes the wires of a node that it leaves running.
    const isSeen = (): boolean => isWanted((this as Node & Passage).wires[0] ?? [], find);
    try {
      const mayRest = readOptionalBoolean(def.restUnseen, 'restUnseen', false);
      denoiser = new Denoiser(this, status, getEngine(RED, def.engine), readDialog(def), mayRest ? isSeen : undefined, readSafety(def));
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    TUNABLES.lend(this, denoiser);
    PAINTINGS.lend(this, denoiser);
    onInput(this, async (msg, send) => {
      const settings = isSettingsOnly(msg) ? topicOf(msg) : undefined;
      await denoiser.take(msg, send);
      if (settings !== undefined) tellChange(RED, settings);
    });
    onClose(this, () => denoiser.close());
  }

  serveTuning(RED);
  RED.nodes.registerType('streamdiffusion-denoiser', StreamDiffusionDenoiser);
};
