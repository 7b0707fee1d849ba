import type { ErrorCode } from '../errors';
import type { PullProgress } from './progress';
import type { PullOptions, PullResult } from './pull';

/** The options of a pull that can be sent to another process. */
export type PullRequest = Omit<PullOptions, 'onProgress' | 'onRetry' | 'signal'>;

/** Messages to the process that downloads. */
export type PullOrder = { order: 'pull'; request: PullRequest } | { order: 'cancel' };

/** Messages from it: progress a few times a second, at the end a result or an error. */
export type PullReport =
  | { report: 'progress'; progress: PullProgress }
  | { report: 'retry'; reason: string; pauseMs: number }
  | { report: 'result'; result: PullResult }
  | { report: 'error'; code: ErrorCode; message: string };
