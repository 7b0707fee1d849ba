import type { RequestHandler } from 'express';
import type { Node, NodeAPI } from 'node-red';
import { checkInProcess } from '../../../engine/host/client/checks';
import { EngineError } from '../../../engine/errors';
import type { AdapterReport } from '../../../engine/model/adapters/inspect';
import type { ModelReport } from '../../../engine/model/folder';
import { readAdapters } from './adapter-fields';
import { readAskedModel, readAutoencoder, type EngineDef } from './fields';
import { withCode } from '../common/input';
import type { Translate } from '../common/status';

/** The answer to the dialog's button. */
export interface CheckAnswer {
  usable: boolean;
  /** The findings, in sentences for people. */
  lines: string[];
  report?: ModelReport;
}

/**
 * Checks the model folder and the adapters that the dialog names (query: `model`, `modelType`, `autoencoder`, `adapters` as
 * JSON, and `id` of the engine node, whose environment variables are used once it is deployed). Only reads files, in a process
 * of its own; no net is opened.
 */
export function checkModel(RED: NodeAPI): RequestHandler {
  return (request, response) => {
    const { model, modelType, autoencoder, adapters, id } = request.query;
    const node: Node | null = typeof id === 'string' ? RED.nodes.getNode(id) : null;
    check(RED, node, typeof model === 'string' ? model : '', modelType as EngineDef['modelType'], adapters, autoencoder)
      .then((answer) => response.set('Cache-Control', 'no-store').json(answer))
      .catch((thrown: unknown) => response.status(500).json({ usable: false, lines: [withCode(thrown).message] } satisfies CheckAnswer));
  };
}

async function check(
  RED: NodeAPI,
  node: Node | null,
  model: string,
  modelType: EngineDef['modelType'],
  adapters: unknown,
  other: unknown,
): Promise<CheckAnswer> {
  try {
    const { folder, shown } = await readAskedModel(RED, node, model, modelType);
    const wanted = readAskedAdapters(adapters);
    const { autoencoder } = readAutoencoder(other);
    const report = await checkInProcess('inspectModel', [folder, wanted, autoencoder]);
    const asShown = JSON.parse(JSON.stringify(report), (_key, value: unknown) =>
      typeof value === 'string' ? shown(value) : value,
    ) as ModelReport;
    return { usable: report.usable, lines: inWords(asShown, RED._), report: asShown };
  } catch (thrown) {
    return { usable: false, lines: [withCode(thrown).message] };
  }
}

/** A report in sentences: the verdict, the nets with their sizes, the facts about the model, problems and notes. */
export function inWords(report: ModelReport, translate: Translate): string[] {
  const { usable, folder, nets, info, adapters, problems, notes } = report;
  const lines = [translate(usable ? 'check.usable' : 'check.unusable', { folder })];
  if (nets.length > 0)
    lines.push(translate('check.nets', { nets: nets.map(({ name, bytes }) => `${name} (${megabytes(bytes)})`).join(', ') }));
  if (info) {
    const { vaeScaleFactor, latentChannels, predictionType, textWidth } = info;
    lines.push(translate('check.info', { vaeScaleFactor, latentChannels, predictionType, textWidth }));
  }
  return [...lines, ...adapters.map((adapter) => adapterLine(adapter, translate)), ...problems, ...notes];
}

function adapterLine({ name, kind = '', problem }: AdapterReport, translate: Translate): string {
  return translate('adapters.line', { name, what: problem ? `✗ ${problem}` : `✓ ${translate(`adapters.kind.${kind}`)}` });
}

/** The dialog's list of adapters, as JSON. @throws EBADPARAM */
export function readAskedAdapters(adapters: unknown): Record<string, string> | undefined {
  return readAdapters(typeof adapters === 'string' ? parsed(adapters) : undefined);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new EngineError('EBADPARAM', 'adapters must be JSON');
  }
}

function megabytes(bytes: number): string {
  return `${bytes < 10e6 ? (bytes / 1e6).toFixed(1) : Math.round(bytes / 1e6)} MB`;
}
