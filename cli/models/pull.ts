import { inspectModel } from '../../engine/model/folder';
import type { PullProgress } from '../../engine/hub/progress';
import { pull as pullModel } from '../../engine/hub/pull';
import { type Command, readArguments } from '../command';
import { ProgressLine } from '../progress-line';
import { inBytes, inTime } from '../words';

const HELP = `Usage: streamdiffusion models pull REPO [--to DIR] [--revision REV]

Downloads the model REPO, named OWNER/NAME, from Hugging Face: only the files that the engine uses. Every file is checked
by its checksum. The folder appears when all files are there. When it is interrupted, the same command goes on where it
ended; for a model that is there already, it checks the files, and repairs or renews what is not as in the repository.

Options:
  --to DIR        the folder that the model becomes (default: OWNER/NAME in the folder of models)
  --revision REV  a branch, tag or commit (default: main)

Environment:
  STREAMDIFFUSION_MODELS  the folder of models (default: ~/.streamdiffusion/models)
  HF_TOKEN                for private models and those whose licence has to be accepted
  HF_ENDPOINT             another server with the same interface
  HF_HOME, HF_HUB_CACHE   where other programs keep what they downloaded from there: it is taken, not downloaded again
  HF_HUB_OFFLINE          1 forbids to download

Example:
  streamdiffusion models pull julienkay/taesd --to ./taesd`;

const OPTIONS = { to: { type: 'string' }, revision: { type: 'string' } } as const;

async function run(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, ['REPO']);
  const [repository] = positionals;
  const line = new ProgressLine();
  try {
    const { folder, commit, bytes, downloadedBytes } = await pullModel({
      repository,
      ...values,
      signal,
      onRetry: (reason, pauseMs) => line.note(`${reason}; trying again in ${inTime(pauseMs)}`),
      onProgress: (progress) => line.update(progress.doneBytes / progress.totalBytes, () => inWords(progress)),
    });
    const came = downloadedBytes === 0 ? 'nothing to download' : `${inBytes(downloadedBytes)} downloaded`;
    line.note(`${repository} at ${commit.slice(0, 8)}: ${inBytes(bytes)}, ${came}, every file checked`);
    line.note(folder);
    const { usable, problems } = await inspectModel(folder);
    if (!usable) line.note(`By itself it cannot be run:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    return 0;
  } finally {
    line.clear();
  }
}

function inWords({ phase, doneBytes, totalBytes, bytesPerSecond, remainingMs }: PullProgress): string {
  const amount = `${inBytes(doneBytes)} of ${inBytes(totalBytes)}`;
  if (phase === 'checking') return `${amount} checked`;
  return `${amount}  ${inBytes(bytesPerSecond)}/s${remainingMs === undefined ? '' : `  ${inTime(remainingMs)} left`}`;
}

export const pull: Command = { help: HELP, run };
