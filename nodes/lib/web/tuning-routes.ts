import type { Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import type { WeightedText } from '../../../engine/prompt/request';
import { EngineError } from '../../../engine/errors';
import { withCode } from '../common/input';
import { NodePart } from '../common/node-part';
import { oncePerRed } from '../common/once-per-red';
import { guardAdmin, onlyJson } from './site';

/** A request of the editor to a running node. */
export interface Wish {
  /** Settings, by the field names of the node's dialog. */
  params?: unknown;
  /** The prompt of a denoiser's stream, where no prompt encoder sets it. */
  prompt?: unknown;
  /** The stream to change permanently; without it, all streams are changed while the dialog is open. */
  topic?: string;
}

/** A node that its open dialog or the sidebar can tune. */
export interface Tunable {
  /** The current prompts of a prompt encoder. */
  readonly prompt?: WeightedText[];
  /** Applies settings. Rejects with EBADPARAM, EBADPROMPT, and then changes nothing. */
  tune(wish: Wish): Promise<void>;
  /** The dialog was closed: keeps the new settings until the next deploy, or restores the old ones. */
  endTuning(keep: boolean): Promise<void>;
}

export const TUNABLES = new NodePart<Tunable>();

/** The nodes that can be tuned, by the folder of their addresses. */
const FOLDERS = {
  'streamdiffusion-denoiser': 'denoisers',
  'streamdiffusion-prompt': 'prompts',
  'streamdiffusion-control': 'controls',
} as const;

/**
 * `POST streamdiffusion/denoisers/ID`, `…/prompts/ID` or `…/controls/ID`, under the editor's own login: a {@link Wish}, and when the dialog is
 * closed `{end: 'keep' | 'restore'}`. Answers `{applied}`, and where that is false the code and the message: EBADPARAM or EBADPROMPT
 * for invalid values, ECLOSED for a node that is not deployed. These occur while somebody types, so they are not HTTP errors.
 */
export const serveTuning = oncePerRed('httpAdmin', (RED) => {
  guardAdmin(RED);
  const mayWrite = RED.auth.needsPermission('streamdiffusion.write');
  for (const [type, folder] of Object.entries(FOLDERS))
    RED.httpAdmin.post(`/streamdiffusion/${folder}/:id`, mayWrite, onlyJson, (request, response) => {
      tune(RED, type, request).then(
        () => response.json({ applied: true }),
        (thrown: unknown) => refuse(response, withCode(thrown)),
      );
    });
});

async function tune(RED: NodeAPI, type: string, { params: { id }, body }: Request): Promise<void> {
  const node = RED.nodes.getNode(String(id));
  const tunable = node?.type === type ? TUNABLES.of(node) : undefined;
  if (!tunable) throw new EngineError('ECLOSED', 'this node is not deployed');
  const { end, params, prompt, topic } = (body ?? {}) as Record<string, unknown>;
  if (end !== undefined) return tunable.endTuning(end === 'keep');
  return tunable.tune({ params, prompt, ...(typeof topic === 'string' && { topic }) });
}

function refuse(response: Response, { code, message }: Error & { code: string }): void {
  response.status(code === 'EINTERNAL' ? 500 : 200).json({ applied: false, code, message });
}
