import type { RequestHandler } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { adoptChoice, AUTOMATIC, chooseProvider, type ProviderChoice, recallChoice, type TriedProvider } from '../../../engine/host/client';
import { withCode } from '../common/input';
import type { Translate } from '../common/status';
import { type EngineDef, readAskedModel, readAutoencoder, readEngineSettings } from './fields';

/** The automatic choice as the dialog shows it. */
export interface AutomaticAnswer {
  /** The execution provider of such an engine; undefined while it is unknown. */
  chosen?: string;
  /** What was tried and the results, in sentences for people. */
  lines: string[];
}

type Asked = Pick<EngineDef, 'model' | 'modelType' | 'autoencoder' | 'device' | 'threads' | 'int8'> & { id?: string };

/**
 * The choice of an execution provider for the engine that the dialog describes. `GET` returns the known choice; `POST` tries all
 * providers again, which takes seconds to minutes, and makes the engines take over the result.
 */
export function serveProviderChoice(RED: NodeAPI): void {
  const answer =
    (work: (asked: Asked) => Promise<AutomaticAnswer>): RequestHandler =>
    (request, response) => {
      const asked = (request.method === 'GET' ? request.query : (request.body ?? {})) as Record<string, unknown>;
      const texts = Object.fromEntries(Object.entries(asked).filter(([, value]) => typeof value === 'string')) as Asked;
      work(texts)
        .then((found) => response.set('Cache-Control', 'no-store').json(found))
        .catch((thrown: unknown) => response.json({ lines: [withCode(thrown).message] } satisfies AutomaticAnswer));
    };
  // Browsers send forms from any site to any address, but JSON only where they are allowed to.
  const json: RequestHandler = (request, response, next) =>
    request.is('json') ? next() : response.status(415).json({ lines: ['send JSON'] });
  const path = '/streamdiffusion/engine/automatic';
  // The path in the request is read on this machine, so it needs the permission to change flows and not only to read them.
  const may = RED.auth.needsPermission('streamdiffusion.write');
  RED.httpAdmin.get(
    path,
    may,
    answer(async (asked) => tell(await recallChoice(await engineOf(RED, asked)), RED._)),
  );
  RED.httpAdmin.post(
    path,
    may,
    json,
    answer(async (asked) => {
      const engine = await engineOf(RED, asked);
      const choice = await chooseProvider(engine);
      void adoptChoice(engine, choice);
      return tell(choice, RED._);
    }),
  );
}

async function engineOf(
  RED: NodeAPI,
  { id, model, modelType, autoencoder, ...fields }: Asked,
): Promise<Parameters<typeof recallChoice>[0]> {
  const node: Node | null = id ? RED.nodes.getNode(id) : null;
  const { folder } = await readAskedModel(RED, node, model, modelType);
  return { ...readEngineSettings({ ...fields, executionProviders: AUTOMATIC }), ...readAutoencoder(autoencoder), model: folder };
}

function tell(choice: ProviderChoice | undefined, translate: Translate): AutomaticAnswer {
  if (!choice) return { lines: [translate('automatic.unknown')] };
  const [chosen] = choice.providers;
  return { chosen, lines: [translate('automatic.chosen', { name: chosen }), ...choice.tried.map((each) => inWords(each, translate))] };
}

/** The result of trying a provider, in a sentence. */
export function inWords({ name, reason, ms, difference }: TriedProvider, translate: Translate): string {
  const time = ms === undefined ? '' : translate('automatic.time', { ms: ms < 10 ? ms.toFixed(1) : Math.round(ms) });
  const off = difference === undefined ? '' : translate('automatic.off', { difference: String(difference) });
  const facts = [time, off].filter((fact) => fact !== '').join(', ');
  if (reason !== undefined) return translate('automatic.refused', { name, reason: facts === '' ? reason : `${reason} (${facts})` });
  return translate('automatic.right', { name, facts: facts === '' ? translate('automatic.always') : facts });
}
