import type { ErrorCode } from '../errors';
import type { PullProgress } from './progress';
import type { PullOptions, PullResult } from './pull';

/** What is to be downloaded, as plain values. */
export type PullRequest = Omit<PullOptions, 'onProgress' | 'onRetry' | 'signal'>;

/** From the process that wants a model to the one that downloads it. */
export type PullOrder = { order: 'pull'; request: PullRequest } | { order: 'cancel' };

/** And back: progress a few times a second, in the end a result or an error. */
export type PullReport =
  | { report: 'progress'; progress: PullProgress }
  | { report: 'retry'; reason: string; pauseMs: number }
  | { report: 'result'; result: PullResult }
  | { report: 'error'; code: ErrorCode; message: string };
