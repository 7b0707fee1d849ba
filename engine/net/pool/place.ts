import type { Net } from '../net';

/**
 * Where a net runs, as far as its callers need to know: how many runs may be under way, and when the next one can begin.
 * The net itself does not know; whoever opened it does.
 */
export interface Place {
  /** Runs of this net, and of those opened beside it, that can be under way at the same time. */
  readonly concurrency: number;
  /** Copies of the net on servers: this many runs may be under way without waiting for each other. */
  readonly instances: number;
  /** Whether the first run with more rows or at another size takes much longer, so that it should be made before the first frame. */
  readonly compilesShapes: boolean;
  /** The number of parallel runs into which the next rows are best divided. Must be called exactly once before each division. */
  parts(): number;
  /** Resolves when a new run can begin at once, or nearly so, without delaying a follow-up. */
  whenFree(): Promise<void>;
  /**
   * Announces that another run of this net is about to follow the one that has just ended. Until that run is requested, or the
   * token is released, its thread counts as taken for those who wait in {@link whenFree}.
   */
  expectFollowUp(): FollowUp;
}

export interface FollowUp {
  /** No run follows, or it has been requested. Calling it again does nothing. */
  release(): void;
}

const NO_FOLLOW_UP: FollowUp = { release: () => undefined };

/** The place of a net that nobody else waits for. */
export const ALONE: Place = {
  concurrency: 1,
  instances: 1,
  compilesShapes: false,
  parts: () => 1,
  whenFree: () => Promise.resolve(),
  expectFollowUp: () => NO_FOLLOW_UP,
};

/** A net whose opener said where it runs. */
export interface PlacedNet extends Net {
  readonly place: Place;
}

export function placeOf(net: Net): Place {
  return (net as Partial<PlacedNet>).place ?? ALONE;
}
