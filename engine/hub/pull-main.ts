/** The process of a download: pulls one model for its parent, and ends with it. */
import { constants } from 'node:os';
import { EngineError } from '../errors';
import type { PullProgress } from './progress';
import { pull } from './pull';
import type { PullOrder, PullReport, PullRequest } from './pull-messages';
import { standBack } from '../util/stand-back';

const PROGRESS_MS = 250;
const cancelled = new AbortController();

function send(report: PullReport): Promise<void> {
  // That the parent has gone is noticed by 'disconnect'; a report that could not be sent to it does not matter then.
  return new Promise((sent) => (process.connected && process.send ? process.send(report, undefined, undefined, () => sent()) : sent()));
}

async function run(request: PullRequest): Promise<void> {
  let sentAt = -Infinity;
  const onProgress = (progress: PullProgress): void => {
    const now = performance.now();
    if (now - sentAt < PROGRESS_MS && progress.doneBytes < progress.totalBytes) return;
    sentAt = now;
    void send({ report: 'progress', progress });
  };
  const onRetry = (reason: string, pauseMs: number): void => void send({ report: 'retry', reason, pauseMs });
  try {
    await send({ report: 'result', result: await pull({ ...request, onProgress, onRetry, signal: cancelled.signal }) });
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EINTERNAL');
    await send({ report: 'error', code, message });
  }
  if (process.connected) process.disconnect();
}

process.title = 'streamdiffusion-download';
// Checksums of gigabytes are computed when nobody else needs the processor.
standBack(constants.priority.PRIORITY_LOW);
process.on('disconnect', () => cancelled.abort());
process.on('message', (message: PullOrder) => {
  if (message.order === 'cancel') cancelled.abort();
  else void run(message.request);
});
