import type { Node, NodeAPI, NodeDef } from 'node-red';
import { onClose } from './lib/common/closing';
import { disableNode } from './lib/common/error-throttle';
import { onInput } from './lib/common/input';
import { startNode } from './lib/common/start-node';
import { ControlMap } from './lib/control/control-map';
import { LEARNERS, serveControls } from './lib/control/routes';
import { type ControlFields, type ControlSettings, readControlFields } from './lib/control/settings';
import { serveTuning, TUNABLES } from './lib/web/tuning-routes';

/** The control map: draws a picture that steers a model, such as edges or a silhouette, from each frame. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionControl(this: Node, def: NodeDef & ControlFields): void {
    const status = startNode(RED, this, def);
    let settings: ControlSettings;
    try {
      settings = readControlFields(def);
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    const map = new ControlMap(RED, this, status, def, settings);
    TUNABLES.lend(this, map);
    if (settings.map.kind === 'silhouette') LEARNERS.lend(this, map);
    onInput(this, (msg, send) => map.take(msg, send));
    onClose(this, (removed) => map.close(removed));
  }

  serveControls(RED);
  serveTuning(RED);
  RED.nodes.registerType('streamdiffusion-control', StreamDiffusionControl);
};
