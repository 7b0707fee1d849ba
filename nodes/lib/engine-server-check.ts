import type { RequestHandler } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { EngineError } from '../../engine/errors';
import { checkServer, type ServedNetReport } from '../../engine/model/server-check';
import { readModel } from './engine-fields';
import { readServerFields, type ServerCredentials, type ServerFields } from './engine-server-fields';
import { withCode } from './input';
import type { Translate } from './status';

/** What the dialog's button is answered. */
export interface ServerAnswer {
  usable: boolean;
  lines: string[];
}

interface Asked extends ServerFields, ServerCredentials {
  /** Of the engine node, whose saved credentials count where none were typed. */
  id?: string;
  model?: string;
  modelType?: 'starter' | 'str' | 'env';
}

/** Compares the nets on a server, as the dialog names it, with those of the model folder. Nothing is computed. */
export function checkServerOf(RED: NodeAPI): RequestHandler {
  return (request, response) => {
    // Browsers send forms from any site to any address, but JSON only where they are allowed to.
    if (!request.is('json')) return void response.status(415).json({ usable: false, lines: ['send JSON'] } satisfies ServerAnswer);
    check(RED, (request.body ?? {}) as Asked)
      .catch((thrown: unknown): ServerAnswer => ({ usable: false, lines: [withCode(thrown).message] }))
      .then((answer) => response.set('Cache-Control', 'no-store').json(answer), () => response.status(500).end());
  };
}

async function check(RED: NodeAPI, asked: Asked): Promise<ServerAnswer> {
  for (const [name, value] of Object.entries(asked)) {
    if (typeof value !== 'string') throw new EngineError('EBADPARAM', `${name} must be a text; got ${typeof value}`);
  }
  const node = (asked.id ? RED.nodes.getNode(asked.id) : null) as Node<ServerCredentials> | null;
  const saved: ServerCredentials = node?.type === 'streamdiffusion-engine' ? (node.credentials ?? {}) : {};
  const typed = Object.fromEntries((['serverToken', 'serverUser', 'serverPassword'] as const).flatMap((name) => (asked[name] ? [[name, asked[name]]] : [])));
  const server = readServerFields({ ...asked, runOn: 'server' }, { ...saved, ...typed });
  if (!server) return { usable: false, lines: [] };
  const nets = await checkServer(readModel(RED, node, asked.model, asked.modelType), server);
  return { usable: nets.every(({ error }) => !error), lines: [...nets.flatMap((net) => inWords(net, RED._)), ...waysInWords(nets, RED._)] };
}

function inWords({ name, instances, int8, warnings, error }: ServedNetReport, translate: Translate): string[] {
  if (error) return [translate('server.wrong', { name, reason: error.message })];
  return [translate(int8 ? 'server.rightInt8' : 'server.right', { name, count: instances }), ...warnings];
}

/** How tensors come to servers on this machine: the same for all nets, so it is said once for each. */
function waysInWords(nets: ServedNetReport[], translate: Translate): string[] {
  const lines = nets.flatMap(({ sharedMemory }) => sharedMemory.map(({ where, off }) => (off === undefined ? translate('server.memory', { where }) : translate('server.sent', { where, reason: off }))));
  return [...new Set(lines)];
}
