import { join } from 'node:path';
import { EngineError } from '../errors';
import type { EngineInfo } from '../types';
import { type AdapterAlone, adaptersAlone } from './adapters/alone';
import { type AdapterReport, inspectAdapters } from './adapters/inspect';
import { findFiles, missingNets, modelFolder, type ModelFiles } from './files';
import { readHeader, type Headers } from './headers';
import { limitOf, notesOn } from './notes';
import { assemble, loadTokenizers } from './parts';
import { factsOf, netNames, type NetName } from './roles';
import { type SuitedSettings, suitedSettings } from './suited';

/** A report on a model folder, and on whether it can be used: plain JSON. */
export interface ModelReport {
  folder: string;
  /** Whether the engine can open it, as far as can be told without opening the nets. */
  usable: boolean;
  nets: { name: NetName; file: string; bytes: number }[];
  /** The missing nets, as paths in the folder. Only vae_encoder, which is for img2img, may be missing in a usable model. */
  missing: string[];
  hasTokenizer: boolean;
  /** Whether some of its nets can compute in int8. */
  hasInt8: boolean;
  /** The adapters in its own folder, and those that were given. */
  adapters: AdapterReport[];
  /** The adapters in a folder without a model. */
  alone: AdapterAlone[];
  /** Undefined while something is wrong with the model. */
  info?: Pick<EngineInfo, 'vaeScaleFactor' | 'latentChannels' | 'predictionType'> & { textWidth: number };
  /** Settings of a stream that fit it, as far as its configs tell. Undefined while something is wrong with the model. */
  suited?: SuitedSettings;
  /** The only execution providers that can run it, where its operators limit it to some. */
  executionProviders?: string[];
  /** Why it cannot be used, in sentences. */
  problems: string[];
  /** Notes for users, in sentences. */
  notes: string[];
}

/**
 * Inspects a model folder without opening a net: takes milliseconds, needs no ONNX Runtime, never rejects.
 *
 * @param model a path, or `'starter'`
 * @param adapters paths by name; the model stays usable if one of them is not
 * @param autoencoder a folder whose autoencoder replaces the model's
 */
export async function inspectModel(
  model: string,
  adapters: Readonly<Record<string, string>> = {},
  autoencoder?: string,
): Promise<ModelReport> {
  const folder = modelFolder(model);
  const report: ModelReport = {
    folder,
    usable: false,
    nets: [],
    missing: [],
    hasTokenizer: false,
    hasInt8: false,
    adapters: [],
    alone: [],
    problems: [],
    notes: [],
  };
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (thrown) {
      report.problems.push(EngineError.from(thrown, 'EBADMODEL').message);
      return undefined;
    }
  };
  const files = await attempt(() => findFiles(folder, autoencoder));
  if (files) await inspect(files, report, adapters, attempt);
  report.usable = report.problems.length === 0;
  return report;
}

async function inspect(
  files: ModelFiles,
  report: ModelReport,
  adapters: Readonly<Record<string, string>>,
  attempt: <T>(work: () => Promise<T>) => Promise<T | undefined>,
): Promise<void> {
  const nets: Headers = {};
  for (const name of netNames) {
    const net = files.nets[name];
    if (!net) {
      if (factsOf(name).needed !== 'dual') report.missing.push(join(name, 'model.onnx'));
      continue;
    }
    report.nets.push({ name, file: net.path, bytes: net.bytes });
    report.hasInt8 ||= net.ranges !== undefined;
    nets[name] = await attempt(() => readHeader(name, net, files));
  }
  if (report.nets.length === 0) report.alone = await adaptersAlone(files);
  const needed = missingNets(files);
  if (needed.length > 0) report.problems.push(`${files.folder} lacks ${needed.join(', ')}.`);
  if (!files.nets.vae_encoder) report.notes.push('Without a vae_encoder this model only does txt2img.');
  const tokenizers = (await attempt(() => loadTokenizers(files))) ?? [undefined, undefined];
  report.hasTokenizer = tokenizers[0] !== undefined;
  if (!report.hasTokenizer) report.notes.push('Without a tokenizer this model takes token ids, no texts.');
  if (report.problems.length > 0) return;
  const parts = await attempt(async () => assemble(files, nets, nets, tokenizers));
  if (!parts) return;
  report.info = {
    vaeScaleFactor: parts.vaeScaleFactor,
    latentChannels: parts.unet.latentChannels,
    predictionType: parts.schedulerConfig.predictionType,
    textWidth: parts.textEncoder.width,
  };
  report.suited = suitedSettings(files, parts.vaeScaleFactor, files.folder === modelFolder('starter'));
  const limit = limitOf(nets);
  if (limit) report.executionProviders = limit.providers;
  report.notes.push(...notesOn(parts, nets));
  report.adapters = await inspectAdapters(adapters, { files, headers: nets });
}
