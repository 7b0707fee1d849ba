/** Flips the regions of `value` with fewer than `least` pixels to the other value, in a mask of 0 and 255, in place. */
export function dropSmallRegions(mask: Uint8Array, width: number, height: number, value: 0 | 255, least: number): void {
  const seen = new Uint8Array(mask.length);
  const region = new Int32Array(mask.length);
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] !== value || seen[start]) continue;
    const size = collect(mask, seen, region, start, width, height);
    if (size >= least) continue;
    for (let k = 0; k < size; k++) mask[region[k]] = 255 - value;
  }
}

/** Collects the pixels that are connected with `start` in four directions; returns their number. */
function collect(mask: Uint8Array, seen: Uint8Array, region: Int32Array, start: number, width: number, height: number): number {
  const value = mask[start];
  let size = 0;
  const add = (at: number): void => {
    if (mask[at] !== value || seen[at]) return;
    seen[at] = 1;
    region[size++] = at;
  };
  add(start);
  for (let k = 0; k < size; k++) {
    const at = region[k];
    const x = at % width;
    if (x > 0) add(at - 1);
    if (x < width - 1) add(at + 1);
    if (at >= width) add(at - width);
    if (at < width * (height - 1)) add(at + width);
  }
  return size;
}

/**
 * Grows a mask of 0 and 255 by `pixels` on all sides, or shrinks it where that is negative. Corners stay square.
 */
export function grown(mask: Uint8Array, width: number, height: number, pixels: number): Uint8Array {
  if (pixels === 0) return mask.slice();
  const value = pixels > 0 ? 255 : 0;
  const reach = Math.abs(pixels);
  const across = new Uint8Array(mask.length);
  for (let row = 0; row < height; row++) growLine(mask, across, row * width, 1, width, reach, value);
  const out = new Uint8Array(mask.length);
  for (let column = 0; column < width; column++) growLine(across, out, column, width, height, reach, value);
  return out;
}

/** Grows a line of `length` pixels that lie `step` apart. */
function growLine(from: Uint8Array, to: Uint8Array, start: number, step: number, length: number, reach: number, value: number): void {
  let last = -Infinity;
  let next = 0;
  for (let k = 0; k < length; k++) {
    // `next` is the first pixel of this value that is not before k.
    if (next < k) next = k;
    while (next < length && from[start + next * step] !== value) next++;
    if (from[start + k * step] === value) last = k;
    to[start + k * step] = k - last <= reach || (next < length && next - k <= reach) ? value : 255 - value;
  }
}
