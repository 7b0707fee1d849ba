import { type ProviderReport, tryProviders } from '../../engine/net/ort/provider-reports';
import { compareToManifest, findModel } from '../../engine/hub/installed';
import { readManifest } from '../../engine/hub/manifest';
import { hubSettings } from '../../engine/hub/settings';
import { inspectModel, type ModelReport } from '../../engine/model/folder';
import type { SuitedSettings } from '../../engine/model/suited';
import { type Command, readArguments } from '../command';
import { readAdapters } from '../run/adapters';
import { inBytes } from '../words';
import { kindOf } from './list';

const HELP = `Usage: streamdiffusion models check FOLDER [--adapter NAME=PATH] [--autoencoder FOLDER] [--json]

Says what a model folder contains, what it can do, which execution providers of this machine can run it, and what is
wrong. FOLDER may also be the name of a pulled model, or starter, the embedded one. The exit code is 1 when the model or
an adapter cannot be used. Files are looked into, nets are not opened; providers are tried with a net of one addition,
and int8 with a small one: engines that start afterwards take what comes out.

Options:
  --adapter NAME=PATH  an adapter that is to steer it; may be given again; those in its own folder are looked at anyhow
  --autoencoder FOLDER one whose autoencoder is to take the place of the model's: a folder, or the name of a pulled model
  --json               the same as JSON

Example:
  streamdiffusion models check starter`;

interface Report extends ModelReport {
  /** Where it was pulled from; undefined if it was not. */
  origin?: { repository: string; commit: string };
  providers: ProviderReport[];
}

async function run(args: string[]): Promise<number> {
  const options = { json: { type: 'boolean' }, adapter: { type: 'string', multiple: true }, autoencoder: { type: 'string' } } as const;
  const { values, positionals } = readArguments(args, options, ['FOLDER']);
  const { modelsFolder } = hubSettings();
  const autoencoder = values.autoencoder === undefined ? undefined : await findModel(values.autoencoder, modelsFolder);
  const report = await examine(await findModel(positionals[0], modelsFolder), readAdapters(values.adapter), autoencoder);
  console.log(values.json ? JSON.stringify(report, null, 2) : inWords(report));
  const isFine = isForOthers(report) ? report.problems.length === 0 : report.usable;
  return isFine && report.adapters.every(({ problem }) => !problem) ? 0 : 1;
}

async function examine(model: string, adapters: Record<string, string>, autoencoder: string | undefined): Promise<Report> {
  const report = await inspectModel(model, adapters, autoencoder);
  const manifest = await readManifest(report.folder);
  // A model's nets are not missing in an adapter.
  const adapter = adapterIn(report);
  const own = adapter ? [] : report.problems;
  const problems = [...own, ...(manifest ? await compareToManifest(report.folder, manifest) : [])];
  const providers = report.usable ? await tryProviders(report.executionProviders) : [];
  if (report.usable && !providers.some(({ works }) => works)) problems.push('No execution provider of this machine can run it.');
  return {
    ...report,
    problems,
    usable: report.usable && problems.length === 0,
    ...(adapter && {
      notes: [`"streamdiffusion models check MODEL --adapter NAME=${adapter.path}" says whether a model can use it.`],
    }),
    ...(manifest && { origin: { repository: manifest.repository, commit: manifest.commit } }),
    providers,
  };
}

function isForOthers(report: Pick<ModelReport, 'alone'>): boolean {
  return adapterIn(report) !== undefined;
}

/** The first usable adapter in a folder without a model. */
function adapterIn({ alone }: Pick<ModelReport, 'alone'>): ModelReport['alone'][number] | undefined {
  return alone.find(({ kind }) => kind !== undefined);
}

function inWords({ folder, usable, nets, info, origin, providers, problems, notes, ...report }: Report): string {
  const rows: [string, string][] = [];
  if (nets.length > 0) rows.push(['nets', nets.map(({ name, bytes }) => `${name} ${inBytes(bytes)}`).join(', ')]);
  for (const { path, kind, problem } of report.alone) rows.push(['adapter', `${kind ?? `no: ${problem}`} (${path})`]);
  if (info) {
    const { vaeScaleFactor, latentChannels, predictionType, textWidth } = info;
    rows.push(['can do', kindOf({ folder, usable: true, nets, problems, notes, ...report })]);
    rows.push([
      'kind',
      `${vaeScaleFactor}× autoencoder, ${latentChannels} latent channels, predicts ${predictionType}, text width ${textWidth}`,
    ]);
  }
  if (report.suited) rows.push(['made for', inSettings(report.suited)]);
  for (const { name, kind, variant, problem } of report.adapters)
    rows.push(['adapter', `${name}: ${problem ? `no: ${problem}` : `${kind}${variant ? ` (${variant})` : ''}`}`]);
  if (origin) rows.push(['from', `${origin.repository} at ${origin.commit}`]);
  for (const { name, works, reason, arithmetic } of providers) {
    const how = arithmetic && report.hasInt8 ? `, in ${arithmetic.arithmetic}: ${arithmetic.reason}` : '';
    rows.push([name, works ? `can run it${how}` : `no: ${reason}`]);
  }
  return [
    `${folder}: ${usable ? 'can be used' : isForOthers(report) ? 'is not a model; it is for others' : 'cannot be used'}`,
    ...rows.map(([label, text]) => `  ${label.padEnd(8)} ${text}`),
    ...problems.map((problem) => `  wrong: ${problem}`),
    ...notes.map((note) => `  note: ${note}`),
  ].join('\n');
}

function inSettings({ kind, settings: { width, height, steps, strength, cfgType } }: SuitedSettings): string {
  const size = `${width}×${height}`;
  if (kind === 'other') return `${size}, many steps: it does not say that it was distilled for few`;
  return `${size}, steps ${steps}, strength ${strength}, guidance ${cfgType} (${kind})`;
}

export const check: Command = { help: HELP, run };
