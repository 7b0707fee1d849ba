import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../errors';
import { Backoff } from '../util/backoff';

/** The retry policy of a transfer. */
export interface RetryPolicy {
  /** The request is repeated when the server sends nothing for this long, ms. */
  silenceMs: number;
  /** The number of tries in a row without progress before giving up. */
  tries: number;
  /** The pause before the second try, ms; doubled for each further one, up to a minute. */
  pauseMs: number;
}

export const RETRY_POLICY: RetryPolicy = { silenceMs: 30_000, tries: 6, pauseMs: 1000 };

const LONGEST_PAUSE_MS = 60_000;

/** A failure that may have passed at the next try. */
export class TransientError extends Error {
  /** @param pauseMs the pause that the server asks for, ms */
  constructor(
    message: string,
    readonly pauseMs = 0,
  ) {
    super(message);
  }
}

/** How failed requests are retried. */
export interface Retrying {
  policy: RetryPolicy;
  /** Ends the retries. */
  signal?: AbortSignal;
  /** Called before a retry with the reason and the pause before it, ms. */
  onRetry?: (reason: string, pauseMs: number) => void;
}

/**
 * Does `work`, and repeats it after a {@link TransientError}, with growing pauses. `work` calls `progressed` when a try made
 * progress, which resets the count. Rejects with ENETWORK after too many tries, with ECLOSED when the signal is aborted.
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
  if (signal?.aborted) throw new EngineError('ECLOSED', 'the download was cancelled; the next one resumes where this one stopped');
}
