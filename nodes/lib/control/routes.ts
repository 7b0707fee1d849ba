import type { NodeAPI } from 'node-red';
import { NodePart } from '../common/node-part';
import { guardAdmin, onlyJson } from '../web/site';

/** A control map whose button was pressed. */
export interface Learner {
  /** Learns the room again, of all topics. */
  learn(): void;
}

export const LEARNERS = new NodePart<Learner>();

const mounted = new WeakSet<object>();

/**
 * `POST streamdiffusion/controls/ID/learn`, under the editor's own login: the room is learned again. Answers `{learning}`, which is
 * false for a node that is not deployed or has no use for a room.
 */
export function serveControls(RED: NodeAPI): void {
  if (mounted.has(RED.httpAdmin)) return;
  mounted.add(RED.httpAdmin);
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
}
