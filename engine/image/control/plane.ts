import type { RawImage } from '../../types';

/** A grey picture: one byte per pixel, row by row. */
export interface Plane {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Brightness as television defines it, (299 R + 587 G + 114 B) / 1000, rounded down. */
export function luminance({ data, width, height }: RawImage): Plane {
  const grey = new Uint8Array(width * height);
  for (let pixel = 0, byte = 0; pixel < grey.length; pixel++, byte += 3) {
    grey[pixel] = (299 * data[byte] + 587 * data[byte + 1] + 114 * data[byte + 2]) / 1000;
  }
  return { data: grey, width, height };
}

/** Maps each value by a table of 256. */
export function mapped(data: Uint8Array, table: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let at = 0; at < out.length; at++) out[at] = table[data[at]];
  return out;
}

/** Makes a table of 256 values for {@link mapped}. */
export function table(value: (before: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, before) => value(before));
}

/** Swaps black and white. */
export function inverted(data: Uint8Array): Uint8Array {
  return mapped(data, NEGATIVE);
}

const NEGATIVE = table((value) => 255 - value);

/** White where a pixel is as bright as `level` (1..255) or brighter, else black. */
export function thresholded({ data, width, height }: Plane, level: number): Plane {
  return {
    data: mapped(
      data,
      table((value) => (value >= level ? 255 : 0)),
    ),
    width,
    height,
  };
}
