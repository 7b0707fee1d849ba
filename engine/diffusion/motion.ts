import { squaredDifference } from '../util/vectors';

/** Root mean squared difference of pixels in -1..1 at which a scene counts as moving fully. */
const FULL_MOTION = 0.2;
/** How much of a new measurement counts at once; the rest follows with the next frames, so that the strength does not flicker. */
const SHARE = 0.3;

/** How much a scene moves from frame to frame, 0..1, smoothed. Follows the noise controller of StreamDiffusionV2. */
export class MotionMeter {
  private previous: Float32Array | undefined;
  private motion = 0;

  /** @param pixels of a thumbnail, -1..1; the first one, and one of another length, counts as still */
  measure(pixels: Float32Array): number {
    const { previous } = this;
    this.previous = pixels;
    const now =
      previous?.length === pixels.length ? Math.min(1, Math.sqrt(squaredDifference(pixels, previous) / pixels.length) / FULL_MOTION) : 0;
    this.motion += SHARE * (now - this.motion);
    return this.motion;
  }

  restart(): void {
    this.previous = undefined;
    this.motion = 0;
  }
}

/**
 * The t_index_list of a lower strength: the first index goes up by `lessStrength`·S, and the others stay spread between
 * it and the end as they were. A larger `lessStrength` never lowers an index, and all of them keep room.
 *
 * @param lessStrength 0..1
 * @param numInferenceSteps S
 */
export function lowerStrength(tIndexList: readonly number[], lessStrength: number, numInferenceSteps: number): number[] {
  const [first] = tIndexList;
  const last = numInferenceSteps - tIndexList.length;
  const lowered = Math.min(first + lessStrength * numInferenceSteps, last);
  const shrink = (numInferenceSteps - lowered) / (numInferenceSteps - first);
  const list: number[] = [];
  for (const [i, t] of tIndexList.entries()) {
    const wanted = Math.round(lowered + (t - first) * shrink);
    list.push(Math.min(Math.max(wanted, (list[i - 1] ?? -1) + 1), last + i));
  }
  return list;
}
