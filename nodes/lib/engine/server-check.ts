import type { RequestHandler } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { checkInProcess } from '../../../engine/host/client/checks';
import type { ServedNetReport } from '../../../engine/model/server-check';
import { readAddress } from '../../../engine/net/server/options';
import { readAskedAdapters } from './check';
import { readAskedModel, readAutoencoder } from './fields';
import { addressesIn, readServerFields, type ServerCredentials, type ServerFields } from './server-fields';
import { withCode } from '../common/input';
import type { Translate } from '../common/status';

/** The answer to the dialog's button. */
export interface ServerAnswer {
  usable: boolean;
  lines: string[];
}

interface Asked extends ServerFields, ServerCredentials {
  /** The id of the engine node, whose saved credentials are used where none were typed. */
  id?: string;
  model?: string;
  modelType?: 'starter' | 'str' | 'env';
  autoencoder?: string;
  /** A list of names and paths, as JSON. */
  adapters?: string;
}

/** An engine node with the server fields of its dialog. */
export type DeployedEngine = Node<ServerCredentials> & { deployed?: ServerFields };

/** Compares the nets on the dialog's server with those of the model folder. No net is run. */
export function checkServerOf(RED: NodeAPI): RequestHandler {
  return (request, response) => {
    // Browsers send forms from any site to any address, but JSON only where they are allowed to.
    if (!request.is('json')) return void response.status(415).json({ usable: false, lines: ['send JSON'] } satisfies ServerAnswer);
    check(RED, (request.body ?? {}) as Asked)
      .catch((thrown: unknown): ServerAnswer => ({ usable: false, lines: [withCode(thrown).message] }))
      .then(
        (answer) => response.set('Cache-Control', 'no-store').json(answer),
        () => response.status(500).end(),
      );
  };
}

async function check(RED: NodeAPI, asked: Asked): Promise<ServerAnswer> {
  for (const [name, value] of Object.entries(asked)) {
    if (typeof value !== 'string') throw new EngineError('EBADPARAM', `${name} must be a text; got ${typeof value}`);
  }
  const node = (asked.id ? RED.nodes.getNode(asked.id) : null) as DeployedEngine | null;
  const credentials = credentialsFor(asked, node?.type === 'streamdiffusion-engine' ? node : undefined);
  const server = readServerFields({ ...asked, runOn: 'server' }, credentials);
  if (!server) return { usable: false, lines: [] };
  const { folder, shown } = await readAskedModel(RED, node, asked.model, asked.modelType);
  const { autoencoder } = readAutoencoder(asked.autoencoder);
  // The deadline allows for several requests in a row for each address and net.
  const adapters = readAskedAdapters(asked.adapters);
  const nets = await checkInProcess('checkServer', [folder, server, autoencoder, adapters], 30_000 + 6 * (server.timeoutMs ?? 10_000));
  return {
    usable: nets.every(({ error }) => !error),
    lines: [...nets.flatMap((net) => inWords(net, RED._)), ...waysInWords(nets, RED._)].map(shown),
  };
}

const SECRETS = ['serverToken', 'serverUser', 'serverPassword'] as const;

/**
 * The typed credentials, or the saved ones. Saved credentials are only sent to the deployed addresses, under the deployed
 * certificates: people who may press the button need not know the login, and must not be able to have it sent elsewhere.
 *
 * @throws EBADPARAM
 */
function credentialsFor(asked: Asked, node: DeployedEngine | undefined): ServerCredentials {
  const typed = Object.fromEntries(SECRETS.flatMap((name) => (asked[name] ? [[name, asked[name]]] : []))) as ServerCredentials;
  const needed =
    asked.serverLogin === 'token'
      ? (['serverToken'] as const)
      : asked.serverLogin === 'basic'
        ? (['serverUser', 'serverPassword'] as const)
        : [];
  const saved = Object.fromEntries(
    needed.flatMap((name) => (!typed[name] && node?.credentials?.[name] ? [[name, node.credentials[name]]] : [])),
  );
  if (Object.keys(saved).length === 0) return typed;
  const { deployed } = node ?? {};
  const known = new Set(addressesIn(deployed?.serverAddresses).map(textOf));
  const isDeployed =
    deployed?.runOn === 'server' &&
    (deployed.serverCa ?? '').trim() === (asked.serverCa ?? '').trim() &&
    addressesIn(asked.serverAddresses).every((address) => known.has(textOf(address)));
  if (isDeployed) return { ...typed, ...saved };
  throw new EngineError(
    'EBADPARAM',
    'the saved login is only sent to the addresses that are deployed, with the certificates that are; deploy first, or type the login again',
  );
}

function textOf(address: string): string {
  return readAddress(address).text;
}

function inWords({ name, instances, int8, warnings, error }: ServedNetReport, translate: Translate): string[] {
  if (error) return [translate('server.wrong', { name, reason: error.message })];
  return [translate(int8 ? 'server.rightInt8' : 'server.right', { name, count: instances }), ...warnings];
}

/** How tensors reach servers on this machine, one sentence per address, since it is the same for all nets. */
function waysInWords(nets: ServedNetReport[], translate: Translate): string[] {
  const lines = nets.flatMap(({ sharedMemory }) =>
    sharedMemory.map(({ where, off }) =>
      off === undefined ? translate('server.memory', { where }) : translate('server.sent', { where, reason: off }),
    ),
  );
  return [...new Set(lines)];
}
