import type { Request, RequestHandler, Response } from 'express';
import type { Node, NodeAPI, NodeAPISettingsWithData } from 'node-red';
import { KNOWN_REPOSITORIES, type KnownRepository } from '../../../engine/hub/catalogue';
import { checkInProcess } from '../../../engine/host/client/checks';
import { pullInProcess } from '../../../engine/hub/pull-process';
import { hubSettings, type HubSettings } from '../../../engine/hub/settings';
import { tryProviders, type ProviderReport } from '../../../engine/net/ort/provider-reports';
import type { ServerCredentials } from './server-fields';
import { withCode } from '../common/input';
import { type DownloadState, ModelDownloads } from './model-downloads';
import { guardAdmin, onlyJson } from '../web/site';

/** In settings.js: the folder of models, and the token for Hugging Face, as alternatives to environment variables. */
export interface ModelSettings extends NodeAPISettingsWithData {
  streamdiffusionEngineModels?: string;
  streamdiffusionEngineToken?: string;
}

export interface EngineCredentials extends ServerCredentials {
  token?: string;
}

/** The models that the dialog lists. */
export interface ModelList {
  /** The folder of models. */
  folder: string;
  installed: {
    name: string;
    folder: string;
    bytes: number;
    usable: boolean;
    nets: string[];
    repository?: string;
    problems: string[];
    adapters: { path: string; kind: string }[];
  }[];
  known: readonly KnownRepository[];
  downloads: DownloadState[];
}

/** How long the result of trying providers is kept, ms: drivers change seldom, and trying them takes seconds. */
const PROVIDERS_KNOWN_MS = 5 * 60_000;

/**
 * The routes behind the engine's dialog, all under Node-RED's own login:
 *
 * | route | does |
 * |---|---|
 * | `GET streamdiffusion/models` | {@link ModelList} |
 * | `GET streamdiffusion/models/providers` | which execution providers work on this machine; `able` names those the model is bound to |
 * | `GET`, `POST streamdiffusion/models/downloads` | all downloads; starts one: `{repository, revision?, token?, id?}` |
 * | `POST streamdiffusion/models/cancel` | `{repository}`: ends one, or forgets one that is over |
 */
export function serveModels(RED: NodeAPI<ModelSettings>): void {
  const settings = (token?: string): HubSettings => {
    const { streamdiffusionEngineModels: modelsFolder, streamdiffusionEngineToken } = RED.settings;
    const fromEnvironment = hubSettings();
    const chosen = token ?? streamdiffusionEngineToken ?? fromEnvironment.token;
    return { ...fromEnvironment, ...(modelsFolder && { modelsFolder }), ...(chosen && { token: chosen }) };
  };
  const downloads = new ModelDownloads(pullInProcess, (ended) => tell(RED, ended));
  let providers: { at: number; reports: Promise<ProviderReport[]> } | undefined;

  const may = (right: 'read' | 'write'): RequestHandler => RED.auth.needsPermission(`streamdiffusion.${right}`);
  const route =
    (work: (request: Request) => unknown): RequestHandler =>
    (request, response) =>
      void answer(response, async () => work(request));

  guardAdmin(RED);
  RED.httpAdmin.get(
    '/streamdiffusion/models',
    may('read'),
    route(async (): Promise<ModelList> => {
      const { modelsFolder } = settings();
      const installed = await checkInProcess('listInstalled', [modelsFolder]);
      return {
        folder: modelsFolder,
        installed: installed.map(({ name, folder, bytes, report, manifest }) => ({
          name,
          folder,
          bytes,
          usable: report.usable,
          nets: report.nets.map((net) => net.name),
          repository: manifest?.repository,
          problems: report.problems,
          adapters: report.alone.flatMap(({ path, kind }) => (kind === undefined ? [] : { path, kind })),
        })),
        known: KNOWN_REPOSITORIES,
        downloads: downloads.states,
      };
    }),
  );

  RED.httpAdmin.get(
    '/streamdiffusion/models/providers',
    may('read'),
    route(() => {
      if (!providers || performance.now() - providers.at > PROVIDERS_KNOWN_MS)
        providers = { at: performance.now(), reports: tryProviders() };
      return providers.reports;
    }),
  );

  RED.httpAdmin.get(
    '/streamdiffusion/models/downloads',
    may('read'),
    route(() => downloads.states),
  );

  RED.httpAdmin.post(
    '/streamdiffusion/models/downloads',
    may('write'),
    onlyJson,
    route(({ body }) => {
      const { repository, revision, token, id } = (body ?? {}) as Record<string, unknown>;
      return downloads.start(text(repository), text(revision) || 'main', settings(text(token) || tokenOf(RED, text(id))));
    }),
  );

  RED.httpAdmin.post(
    '/streamdiffusion/models/cancel',
    may('write'),
    onlyJson,
    route(({ body }) => {
      downloads.cancel(text((body as { repository?: unknown } | undefined)?.repository));
      return downloads.states;
    }),
  );
}

/** The token of a deployed engine node, which the editor itself never gets. */
function tokenOf(RED: NodeAPI, id: string): string | undefined {
  const node: Node<EngineCredentials> | null = RED.nodes.getNode(id) as Node<EngineCredentials> | null;
  return node?.type === 'streamdiffusion-engine' ? node.credentials?.token?.trim() || undefined : undefined;
}

/** Reports the end in the log and in every open editor: a big download ends long after its dialog was closed. */
function tell(RED: NodeAPI, { repository, folder, error }: DownloadState): void {
  const words = error
    ? RED._('models.failed', { repository, reason: error.message })
    : RED._('models.done', { repository, folder: folder ?? '' });
  if (error) RED.log.warn(words);
  else RED.log.info(words);
  RED.comms.publish('streamdiffusion/download', { repository, type: error ? 'error' : 'success', text: words }, false);
}

async function answer(response: Response, work: () => Promise<unknown>): Promise<void> {
  response.set('Cache-Control', 'no-store');
  try {
    response.json(await work());
  } catch (thrown) {
    const { code, message } = withCode(thrown);
    response.status(code === 'EBADPARAM' ? 400 : 500).json({ code, message });
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}
