import type { Request, RequestHandler, Response } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { withCode } from '../common/input';
import { guardAdmin } from '../web/site';

/** A denoiser as its open dialog plays on it. */
export interface Tunable {
  /** Takes over parameters as `msg.params` has them, for all streams. Rejects with EBADPARAM. */
  tune(params: unknown): Promise<void>;
  /** Ends that: keeps what was chosen until the next deploy, or brings back what was there before. */
  endTuning(keep: boolean): Promise<void>;
}

const mounted = new WeakSet<object>();

/**
 * `POST streamdiffusion/denoisers/ID`, under the editor's own login: `{params}` while the dialog is open, and at its end
 * `{end: 'keep' | 'restore'}`. Answers `{applied}`, and where that is false the code and why: EBADPARAM for a value that
 * cannot work, ECLOSED for a node that is not deployed. Both are usual while somebody types, and no failed requests.
 */
export function serveDenoisers(RED: NodeAPI): void {
  if (mounted.has(RED.httpAdmin)) return;
  mounted.add(RED.httpAdmin);
  guardAdmin(RED);
  // Browsers send forms from any site to any address, but JSON only where they are allowed to.
  const json: RequestHandler = (request, response, next) =>
    request.is('json') ? next() : response.status(415).json({ code: 'EBADPARAM', message: 'send JSON' });
  RED.httpAdmin.post('/streamdiffusion/denoisers/:id', RED.auth.needsPermission('streamdiffusion.write'), json, (request, response) => {
    tune(RED, request).then(
      () => response.json({ applied: true }),
      (thrown: unknown) => refuse(response, withCode(thrown)),
    );
  });
}

async function tune(RED: NodeAPI, { params: { id }, body }: Request): Promise<void> {
  const node = RED.nodes.getNode(String(id)) as (Node & { tuning?: Tunable }) | null;
  if (node?.type !== 'streamdiffusion-denoiser' || !node.tuning) throw new EngineError('ECLOSED', 'this denoiser is not deployed');
  const asked = (body ?? {}) as { params?: unknown; end?: unknown };
  if (asked.end !== undefined) return node.tuning.endTuning(asked.end === 'keep');
  return node.tuning.tune(asked.params);
}

function refuse(response: Response, { code, message }: Error & { code: string }): void {
  response.status(code === 'EINTERNAL' ? 500 : 200).json({ applied: false, code, message });
}
