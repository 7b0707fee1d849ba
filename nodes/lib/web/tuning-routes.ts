import type { Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import type { WeightedText } from '../../../engine/prompt/request';
import { EngineError } from '../../../engine/errors';
import { withCode } from '../common/input';
import { NodePart } from '../common/node-part';
import { oncePerRed } from '../common/once-per-red';
import { guardAdmin, onlyJson } from './site';

/** What the editor asks of a running node. */
export interface Wish {
  /** Settings, by the names of the node's dialog. */
  params?: unknown;
  /** What a denoiser's stream is to show, where no prompt encoder says so. */
  prompt?: unknown;
  /** The stream that it is for, and then it stays; without it, it is for all streams while the dialog is open. */
  topic?: string;
}

/** A node as its open dialog, or the sidebar, plays on it. */
export interface Tunable {
  /** The prompts that it says just now, of a prompt encoder. */
  readonly prompt?: WeightedText[];
  /** Rejects with EBADPARAM, EBADPROMPT, leaving everything as it was. */
  tune(wish: Wish): Promise<void>;
  /** The dialog is closed: keeps what was chosen until the next deploy, or brings back what was there before. */
  endTuning(keep: boolean): Promise<void>;
}

export const TUNABLES = new NodePart<Tunable>();

/** Nodes that can be played on, and the folder of their addresses. */
const FOLDERS = {
  'streamdiffusion-denoiser': 'denoisers',
  'streamdiffusion-prompt': 'prompts',
  'streamdiffusion-control': 'controls',
} as const;

/**
 * `POST streamdiffusion/denoisers/ID`, `…/prompts/ID` or `…/controls/ID`, under the editor's own login: a {@link Wish}, and when the dialog is
 * closed `{end: 'keep' | 'restore'}`. Answers `{applied}`, and where that is false the code and why: EBADPARAM or EBADPROMPT for
 * what cannot work, ECLOSED for a node that is not deployed. All of these are usual while somebody types, and no failed requests.
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
