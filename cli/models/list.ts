import { KNOWN_REPOSITORIES } from '../../engine/hub/catalogue';
import { type InstalledModel, listInstalled } from '../../engine/hub/installed';
import { hubSettings } from '../../engine/hub/settings';
import type { ModelReport } from '../../engine/model/folder';
import { type Command, readArguments } from '../command';
import { inBytes } from '../words';

const HELP = `Usage: streamdiffusion models list

Shows the models in the folder of models (STREAMDIFFUSION_MODELS, default ~/.streamdiffusion/models): name, size, what
they can do. Then some repositories to begin with.`;

async function run(args: string[]): Promise<number> {
  readArguments(args, {}, []);
  const { modelsFolder } = hubSettings();
  const installed = await listInstalled(modelsFolder);
  console.log(`Models in ${modelsFolder}:`);
  if (installed.length === 0) console.log('  none; the embedded one is always there, by the name starter');
  for (const model of installed) console.log(describe(model));

  console.log('\nTo begin with ("streamdiffusion models pull NAME"). Sizes and licences are what their pages say; nobody here has');
  console.log('opened them, so "streamdiffusion models check" after the download is worth its second:');
  for (const { repository, bytes, licence, about } of KNOWN_REPOSITORIES) {
    console.log(`  ${repository}  ${inBytes(bytes)}  licence: ${licence}\n      ${about}`);
  }
  return 0;
}

function describe({ name, bytes, report, manifest }: InstalledModel): string {
  const origin = manifest ? `  ${manifest.repository} at ${manifest.commit.slice(0, 8)}` : '';
  return `  ${name}  ${inBytes(bytes)}  ${kindOf(report)}${origin}`;
}

/** What a model or an adapter can be used for, in a few words. */
export function kindOf({ usable, nets, hasTokenizer, alone }: ModelReport): string {
  const has = (name: string): boolean => nets.some((net) => net.name === name);
  if (usable) {
    const modes = has('vae_encoder') ? 'image to image, text to image' : 'text to image';
    return hasTokenizer ? modes : `${modes}; prompts as token ids`;
  }
  if (nets.length > 0 && nets.every(({ name }) => name.startsWith('vae_'))) return 'an autoencoder for other models';
  const kinds = alone.flatMap(({ kind }) => kind ?? []);
  if (kinds.length > 0) return `for other models: ${kinds.join(', ')}`;
  return 'cannot be run: see "streamdiffusion models check"';
}

export const list: Command = { help: HELP, run };
