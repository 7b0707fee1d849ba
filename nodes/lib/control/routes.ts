import { NodePart } from '../common/node-part';
import { oncePerRed } from '../common/once-per-red';
import { guardAdmin, onlyJson } from '../web/site';

/** A control map with a button for learning. */
export interface Learner {
  /** Learns the rooms of all topics again. */
  learn(): void;
}

export const LEARNERS = new NodePart<Learner>();

/**
 * `POST streamdiffusion/controls/ID/learn`, under the editor's own login: the room is learned again. Answers `{learning}`, which is
 * false for a node that is not deployed or does not learn rooms.
 */
export const serveControls = oncePerRed('httpAdmin', (RED) => {
  guardAdmin(RED);
  RED.httpAdmin.post(
    '/streamdiffusion/controls/:id/learn',
    RED.auth.needsPermission('streamdiffusion.write'),
    onlyJson,
    (request, response) => {
      const learner = LEARNERS.of(RED.nodes.getNode(String(request.params.id)));
      learner?.learn();
      response.json({ learning: learner !== undefined });
    },
  );
});
