import type { RemoteStream } from '../engine/host/client';
import type { StreamWorker } from '../engine/host/process/stream-worker';
import type { FrameResult } from '../engine/host/protocol/messages';

/** Interval between two frames of a source that is faster than the engine, ms, and so the greatest age of the newest one. */
const SOURCE_INTERVAL = 6;

export type Submitting = Pick<RemoteStream | StreamWorker, 'submit'>;

/** The frames of one measurement. */
export interface Saturated {
  /** Mean time between finished frames, after the first one. */
  msPerFrame: number;
  /** Time from each finished frame's submission to its finish, ms. */
  latencies: number[];
  /** Frames that were finished between each frame's submission and its own finish, itself included. */
  finishedMeanwhile: number[];
  /** When each frame was finished, ms. */
  finishedAt: number[];
}

/**
 * Offers a stream more frames than it can take, until `frames` more than the first are finished.
 *
 * @param interval between two frames of the source, ms
 */
export async function saturate(stream: Submitting, jpegs: Buffer[], frames: number, interval = SOURCE_INTERVAL): Promise<Saturated> {
  const [latencies, finishedMeanwhile, finishedAt]: number[][] = [[], [], []];
  const pending = new Set<Promise<unknown>>();
  for (let k = 0; finishedAt.length <= frames; k++) {
    const [at, before] = [performance.now(), finishedAt.length];
    const settled = stream.submit({ picture: { kind: 'encoded', data: jpegs[k % jpegs.length] } }).then(({ outcome }: FrameResult) => {
      pending.delete(settled);
      if (outcome !== 'finished') return;
      const now = performance.now();
      finishedAt.push(now);
      latencies.push(now - at);
      finishedMeanwhile.push(finishedAt.length - before);
    });
    pending.add(settled);
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
  await Promise.all(pending);
  return { msPerFrame: (finishedAt[frames] - finishedAt[0]) / frames, latencies, finishedMeanwhile, finishedAt };
}
