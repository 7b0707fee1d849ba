import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../errors';
import { Backoff } from '../util/backoff';

/** How long a transfer is waited for. */
export interface RetryPolicy {
  /** A server that sends nothing for this long is asked again, ms. */
  silenceMs: number;
  /** Tries in a row that bring nothing, before giving up. */
  tries: number;
  /** Pause before the second try, ms; doubled for each further one, to at most a minute. */
  pauseMs: number;
}

export const RETRY_POLICY: RetryPolicy = { silenceMs: 30_000, tries: 6, pauseMs: 1000 };

const LONGEST_PAUSE_MS = 60_000;

/** A failure that may be gone at the next try. */
export class TransientError extends Error {
  /** @param pauseMs how long the server wants to be left alone */
  constructor(
    message: string,
    readonly pauseMs = 0,
  ) {
    super(message);
  }
}

/** How failures are met. */
export interface Retrying {
  policy: RetryPolicy;
  /** Ends it. */
  signal?: AbortSignal;
  /** Told why it is tried again, and after what pause, ms. */
  onRetry?: (reason: string, pauseMs: number) => void;
}

/**
 * Does `work` again after a {@link TransientError}, ever more slowly. It calls `progressed` when a try brought something, which
 * starts the count anew. Rejects with ENETWORK after too many tries, with ECLOSED when the signal says so.
 */
export async function withRetries<T>(work: (progressed: () => void) => Promise<T>, { policy, signal, onRetry }: Retrying): Promise<T> {
  const backoff = new Backoff({ first: policy.pauseMs, last: LONGEST_PAUSE_MS });
  for (;;) {
    checkCancelled(signal);
    try {
      return await work(() => backoff.reset());
    } catch (thrown) {
      checkCancelled(signal);
      if (!(thrown instanceof TransientError)) throw thrown;
      const pause = backoff.next();
      if (backoff.failures >= policy.tries) {
        throw new EngineError('ENETWORK', `${thrown.message}; given up after ${backoff.failures} tries, try again later`, {
          cause: thrown,
        });
      }
      const pauseMs = Math.min(Math.max(thrown.pauseMs, pause), LONGEST_PAUSE_MS);
      onRetry?.(thrown.message, pauseMs);
      await sleep(pauseMs, undefined, { signal }).catch(() => checkCancelled(signal));
    }
  }
}

/** @throws ECLOSED */
export function checkCancelled(signal?: AbortSignal): void {
  if (signal?.aborted) throw new EngineError('ECLOSED', 'the download was cancelled; the next one goes on from here');
}
