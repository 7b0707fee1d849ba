import { join } from 'node:path';
import { inspectModel } from '../../engine/model/folder';
import type { PullProgress } from '../../engine/hub/progress';
import { pull as pullModel, type PullOptions } from '../../engine/hub/pull';
import { type Command, readArguments } from '../command';
import { ProgressLine } from '../progress-line';
import { inBytes, inTime } from '../words';

const HELP = `Usage: streamdiffusion models pull REPO [--to DIR] [--revision REV] [--autoencoder REPO2]

Downloads the model REPO, named OWNER/NAME, from Hugging Face: only the files that the engine uses. Every file is checked
by its checksum. The folder appears when all files are there. When it is interrupted, the same command goes on where it
ended; for a model that is there already, it checks the files, and repairs or renews what is not as in the repository.

Options:
  --to DIR        the folder that the model becomes (default: OWNER/NAME in the folder of models)
  --revision REV  a branch, tag or commit (default: main)
  --autoencoder REPO2
                  another repository, whose autoencoder is to take the place of the model's, such as a tiny one; it comes
                  into the folder "autoencoder" of the model's

Environment:
  STREAMDIFFUSION_MODELS  the folder of models (default: ~/.streamdiffusion/models)
  HF_TOKEN                for private models and those whose licence has to be accepted
  HF_ENDPOINT             another server with the same interface
  HF_HOME, HF_HUB_CACHE   where other programs keep what they downloaded from there: it is taken, not downloaded again
  HF_HUB_OFFLINE          1 forbids downloads

Example:
  streamdiffusion models pull julienkay/taesd --to ./taesd
  streamdiffusion models pull schmuell/sd-turbo-ort-web --autoencoder julienkay/taesd`;

const OPTIONS = { to: { type: 'string' }, revision: { type: 'string' }, autoencoder: { type: 'string' } } as const;

/** The folder in a model's folder for an autoencoder from another repository. */
const AUTOENCODER = 'autoencoder';

async function run(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, ['REPO']);
  const { autoencoder, ...options } = values;
  const line = new ProgressLine();
  try {
    const folder = await pullOne({ ...options, repository: positionals[0], signal }, line);
    if (autoencoder !== undefined) await pullOne({ repository: autoencoder, to: join(folder, AUTOENCODER), signal }, line);
    const { usable, problems, alone } = await inspectModel(folder);
    const adapters = alone.flatMap(({ path, kind }) => (kind ? `${kind}: --adapter NAME=${path}` : []));
    if (adapters.length > 0) {
      line.note(["It steers models; give its path in the engine's dialog, or on the command line:", ...adapters].join('\n  '));
      return 0;
    }
    for (const { path, problem } of alone)
      line.note(`${path} is neither a model nor an adapter (${problem}); a net that makes pictures of pictures goes into a control map`);
    if (!usable && alone.length === 0) line.note(`By itself it cannot be run:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    // A repository with only some nets was pulled as requested; with an autoencoder, the two must also fit.
    return usable || autoencoder === undefined ? 0 : 1;
  } finally {
    line.clear();
  }
}

/** @returns its folder */
async function pullOne(options: PullOptions, line: ProgressLine): Promise<string> {
  const { folder, commit, bytes, downloadedBytes } = await pullModel({
    ...options,
    onRetry: (reason, pauseMs) => line.note(`${reason}; trying again in ${inTime(pauseMs)}`),
    onProgress: (progress) => line.update(progress.doneBytes / progress.totalBytes, () => inWords(progress)),
  });
  const came = downloadedBytes === 0 ? 'nothing to download' : `${inBytes(downloadedBytes)} downloaded`;
  line.note(`${options.repository} at ${commit.slice(0, 8)}: ${inBytes(bytes)}, ${came}, every file checked`);
  line.note(folder);
  return folder;
}

function inWords({ phase, doneBytes, totalBytes, bytesPerSecond, remainingMs }: PullProgress): string {
  const amount = `${inBytes(doneBytes)} of ${inBytes(totalBytes)}`;
  if (phase === 'checking') return `${amount} checked`;
  return `${amount}  ${inBytes(bytesPerSecond)}/s${remainingMs === undefined ? '' : `  ${inTime(remainingMs)} left`}`;
}

export const pull: Command = { help: HELP, run };
