import type { RequestHandler } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { guardAdmin } from '../web/site';

/** A control map whose button was pressed. */
export interface Learner {
  /** Learns the room anew, of all topics. */
  learn(): void;
}

const mounted = new WeakSet<object>();

/**
 * `POST streamdiffusion/controls/ID/learn`, under the editor's own login: the room is learned anew. Answers `{learning}`, which is
 * false for a node that is not deployed or has no use for a room.
 */
export function serveControls(RED: NodeAPI): void {
  if (mounted.has(RED.httpAdmin)) return;
  mounted.add(RED.httpAdmin);
  guardAdmin(RED);
  // Browsers send forms from any site to any address, but JSON only where they are allowed to.
  const json: RequestHandler = (request, response, next) =>
    request.is('json') ? next() : response.status(415).json({ code: 'EBADPARAM', message: 'send JSON' });
  RED.httpAdmin.post(
    '/streamdiffusion/controls/:id/learn',
    RED.auth.needsPermission('streamdiffusion.write'),
    json,
    (request, response) => {
      const node = RED.nodes.getNode(String(request.params.id)) as (Node & { learner?: Learner }) | null;
      node?.learner?.learn();
      response.json({ learning: node?.learner !== undefined });
    },
  );
}
