import type { Net } from '../net';

/**
 * Where a net runs, as far as it matters to those who have runs for it: how many may be under way, and when the next one can
 * begin. What a net is does not say so; whoever opened it does.
 */
export interface Place {
  /** Runs of this net, and of those opened beside it, that can be under way at the same time. */
  readonly concurrency: number;
  /** Copies of the net on servers: so many runs may be under way without waiting for each other. */
  readonly instances: number;
  /** Whether a run with more rows, or at another size, than ever before takes much longer: such runs belong before the first frame. */
  readonly compilesShapes: boolean;
  /** Into how many runs beside each other the next rows are best divided. To be asked once before them. */
  parts(): number;
  /** Resolves when a run that is asked for then can begin at once, or nearly so, and keeps no follow-up waiting. */
  whenFree(): Promise<void>;
  /**
   * Says that another run of this net is about to follow the one that has just ended: until it is asked for, or the token is
   * released, its thread counts as taken for those who wait in {@link whenFree}.
   */
  expectFollowUp(): FollowUp;
}

export interface FollowUp {
  /** No run follows, or it has been asked for. Calling it again does nothing. */
  release(): void;
}

const NO_FOLLOW_UP: FollowUp = { release: () => undefined };

/** Of a net that nobody else waits for. */
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
