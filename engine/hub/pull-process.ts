import { fork } from 'node:child_process';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { endWithParent } from '../util/orphan-guard';
import type { PullOptions, PullResult } from './pull';
import type { PullOrder, PullReport } from './pull-messages';

/** How long a cancelled download may take to end by itself, ms. */
const CANCEL_LIMIT_MS = 5000;

/**
 * {@link pull} in a process of its own, since hashing and writing gigabytes would block the event loop. Options, results and
 * errors are the same; progress is reported at most four times a second. Rejects with EHOST when the process ends before it
 * is done. It ends with this process; what has arrived is kept for the next download.
 */
export function pullInProcess({ onProgress, onRetry, signal, ...request }: PullOptions): Promise<PullResult> {
  return new Promise((resolve, reject) => {
    // The parent's own arguments (especially an inspector's port) are not for the child.
    const child = fork(join(__dirname, 'pull-main.js'), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    endWithParent(child);
    let killer: NodeJS.Timeout | undefined;
    let stderr = '';
    const order = (message: PullOrder): void => void child.send(message, () => undefined);
    const cancel = (): void => {
      order({ order: 'cancel' });
      killer = setTimeout(() => child.kill('SIGKILL'), CANCEL_LIMIT_MS);
    };

    child.on('message', (message: PullReport) => {
      if (message.report === 'progress') onProgress?.(message.progress);
      else if (message.report === 'retry') onRetry?.(message.reason, message.pauseMs);
      else if (message.report === 'result') resolve(message.result);
      else reject(new EngineError(message.code, message.message));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-1000)));
    child.once('error', (error) => reject(new EngineError('EHOST', `the download could not be started: ${error.message}`)));
    child.once('close', (code, killed) => {
      clearTimeout(killer);
      signal?.removeEventListener('abort', cancel);
      const how = signal?.aborted ? 'was cancelled' : `ended with ${killed ?? `code ${code}`} ${stderr.trim()}`.trim();
      // This has no effect unless the process ended without a report.
      reject(new EngineError(signal?.aborted ? 'ECLOSED' : 'EHOST', `the download ${how}; the next one resumes where this one stopped`));
    });

    order({ order: 'pull', request });
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}
