import type { RawImage } from '../../types';
import { blurred } from './blur';
import { luminance, type Plane } from './plane';

/** The state that is kept from one frame to the next. */
export interface MovementState {
  width: number;
  height: number;
  /** The brightness of the last frame, followed by the trail that was drawn, one byte per pixel each. */
  data: Uint8Array;
}

export interface MovementOptions {
  /** Changes of brightness up to this are the camera's noise, 0..255. */
  threshold: number;
  /** How much of the trail stays from one frame to the next, 0..1. */
  trail: number;
}

/** The blur that removes the camera's noise, pixels. */
const NOISE_BLUR = 1.2;
/** A change this far above the threshold is white. */
const FULL = 64;

/** Bright where something moved, with a trail that fades; black in the first frame. */
export function movement(
  image: RawImage,
  before: MovementState | undefined,
  { threshold, trail }: MovementOptions,
): { map: Plane; state: MovementState } {
  const { width, height } = image;
  const now = blurred(luminance(image), NOISE_BLUR).data;
  const pixels = now.length;
  const last = before?.width === width && before.height === height ? before.data : undefined;
  const drawn = new Uint8Array(pixels);
  if (last) {
    for (let at = 0; at < pixels; at++) {
      const change = ((Math.abs(now[at] - last[at]) - threshold) * 255) / FULL;
      drawn[at] = Math.min(255, Math.max(change, last[pixels + at] * trail, 0));
    }
  }
  const data = new Uint8Array(2 * pixels);
  data.set(now);
  data.set(drawn, pixels);
  return { map: { data: drawn, width, height }, state: { width, height, data } };
}
