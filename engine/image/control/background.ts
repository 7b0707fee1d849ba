import type { RawImage } from '../../types';
import { blurred } from './blur';
import { mapped, type Plane, table, thresholded } from './plane';
import { dropSmallRegions, grown } from './regions';

/** The empty room, as it was learned. */
export interface Background {
  width: number;
  height: number;
  /** The usual colour of each pixel (RGB, interleaved), followed by how much each varies (one byte per pixel). */
  data: Uint8Array;
}

export interface SilhouetteOptions {
  /** How much a colour must differ from the room's, 1..255. */
  threshold: number;
  /** How many pixels the figure grows; it shrinks where negative. */
  grow: number;
  /** Standard deviation of the blur that softens its outline, pixels. */
  radius: number;
}

/** A pixel that varies more than this while the room is learned does so because someone walks past. */
const MOST_WAVERING = 40;
/** The quantile of a pixel's differences from its usual value that its variation is derived from. */
const USUAL = 0.6;
const RESERVE = 1.5;
/** The blur that removes the camera's noise from the differences, pixels. */
const NOISE_BLUR = 1.5;
/** The blur that smooths the outline, pixels. */
const OUTLINE_BLUR = 1;
/** Cameras adjust their exposure when someone comes in: a common change of a colour up to this is not a figure. */
const MOST_EXPOSURE = 48;
/** Figures smaller than this part of the picture do not count, and holes smaller than LEAST_HOLE are filled. */
const LEAST_FIGURE = 0.002;
const LEAST_HOLE = 0.01;
/** The room is not adapted this close to a figure, pixels. */
const CAUTION = 6;
const NOT_BLACK = table((value) => (value > 0 ? 255 : 0));

/**
 * Learns what stays the same in pictures of the room: the median of each colour of each pixel, so that someone who walks
 * past meanwhile leaves no trace.
 *
 * @param images of one size, one or more
 */
export function learnBackground(images: RawImage[]): Background {
  const [{ width, height }] = images;
  const pixels = width * height;
  const data = new Uint8Array(4 * pixels);
  const values = new Uint8Array(images.length);
  const middle = images.length >> 1;
  const usual = Math.min(images.length - 1, Math.floor(USUAL * images.length));
  for (let at = 0; at < 3 * pixels; at++) {
    for (let k = 0; k < values.length; k++) values[k] = images[k].data[at];
    const median = sorted(values)[middle];
    data[at] = median;
    for (let k = 0; k < values.length; k++) values[k] = Math.abs(values[k] - median);
    const wavering = 3 * pixels + Math.floor(at / 3);
    data[wavering] = Math.max(data[wavering], Math.min(sorted(values)[usual] * RESERVE, MOST_WAVERING));
  }
  return { width, height, data };
}

/** Sorts in place; insertion is quickest for so few values. */
function sorted(values: Uint8Array): Uint8Array {
  for (let k = 1; k < values.length; k++) {
    const value = values[k];
    let at = k;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
  }
  return values;
}

/** White where the picture differs from the empty room, which has the same size; black elsewhere. */
export function silhouette(image: RawImage, room: Background, { threshold, grow, radius }: SilhouetteOptions): Plane {
  const { width, height } = image;
  const mask = outlined(difference(image, room), threshold);
  dropSmallRegions(mask, width, height, 255, LEAST_FIGURE * mask.length);
  dropSmallRegions(mask, width, height, 0, LEAST_HOLE * mask.length);
  return blurred({ data: grown(mask, width, height, grow), width, height }, radius);
}

/** White where a difference stands out from the noise, with a smooth outline where the difference itself begins. */
function outlined(change: Plane, threshold: number): Uint8Array {
  const { width, height } = change;
  const calm = blurred(change, NOISE_BLUR).data;
  const seen = new Uint8Array(calm.length);
  for (let at = 0; at < seen.length; at++) seen[at] = calm[at] >= threshold && change.data[at] >= threshold / 2 ? 255 : 0;
  return thresholded(blurred({ data: seen, width, height }, OUTLINE_BLUR), 128).data;
}

/** The largest difference of a pixel's three colours beyond its usual variation, without the change common to all pixels. */
function difference({ data, width, height }: RawImage, room: Background): Plane {
  const [red, green, blue] = [0, 1, 2].map((channel) => commonChange(data, room.data, channel));
  const out = new Uint8Array(width * height);
  for (let pixel = 0, byte = 0; pixel < out.length; pixel++, byte += 3) {
    const r = Math.abs(data[byte] - room.data[byte] - red);
    const g = Math.abs(data[byte + 1] - room.data[byte + 1] - green);
    const b = Math.abs(data[byte + 2] - room.data[byte + 2] - blue);
    out[pixel] = Math.max(0, Math.max(r, g, b) - room.data[3 * out.length + pixel]);
  }
  return { data: out, width, height };
}

/** How much brighter most pixels of a colour have become: a figure's pixels differ by various amounts, the room's by the same. */
function commonChange(data: Uint8Array, usual: Uint8Array, channel: number): number {
  const counts = new Uint32Array(511);
  for (let at = channel; at < data.length; at += 3) counts[data[at] - usual[at] + 255]++;
  let [best, most] = [0, -1];
  for (let change = -MOST_EXPOSURE; change <= MOST_EXPOSURE; change++) {
    let near = 0;
    for (let k = -3; k <= 3; k++) near += counts[change + k + 255];
    // Among equals the smallest change wins.
    if (near > most || (near === most && Math.abs(change) < Math.abs(best))) [best, most] = [change, near];
  }
  return best;
}

/**
 * Adapts the room slowly to the light of the day: each pixel away from figures moves one level towards its current value.
 * A. Manzanera, J. Richefeu, "A new motion detection algorithm based on Σ-Δ background estimation", 2007.
 *
 * @param figure of this picture, as {@link silhouette} gave it
 */
export function adaptBackground(room: Background, image: RawImage, figure: Plane): Background {
  const { width, height } = room;
  const near = grown(mapped(figure.data, NOT_BLACK), width, height, CAUTION);
  const data = new Uint8Array(room.data);
  for (let pixel = 0, at = 0; pixel < near.length; pixel++) {
    for (let channel = 0; channel < 3; channel++, at++) {
      if (near[pixel] === 0) data[at] += Math.sign(image.data[at] - data[at]);
    }
  }
  return { width, height, data };
}
