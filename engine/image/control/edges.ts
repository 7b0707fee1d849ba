import { blurred } from './blur';
import { mapped, type Plane, table } from './plane';

/** The tangent below which a slope counts as level: the four directions of a ridge divide at 22.5° and 67.5°. */
const LEVEL = Math.tan(Math.PI / 8);
/** Soft edges: the blurs before and after the derivative, pixels, and the share of the slope that counts. */
const BEFORE = 1.5;
const AFTER = 1.2;
const GAIN = 0.7;
/** The brightest edge is white, but faint edges are scaled as if there were one of at least this strength. */
const LEAST = 24;
const BRIGHTEST = 0.995;

/** Sobel's derivatives to the right and down, -1020..1020. Border pixels are repeated beyond the border. */
export interface Slopes {
  dx: Int16Array;
  dy: Int16Array;
}

export function slopes({ data, width, height }: Plane): Slopes {
  const [dx, dy] = [new Int16Array(data.length), new Int16Array(data.length)];
  for (let y = 0, at = 0; y < height; y++) {
    const above = y > 0 ? -width : 0;
    const below = y < height - 1 ? width : 0;
    for (let x = 0; x < width; x++, at++) {
      const left = at - (x > 0 ? 1 : 0);
      const right = at + (x < width - 1 ? 1 : 0);
      const fall = data[right + above] - data[left + below];
      const rise = data[right + below] - data[left + above];
      dx[at] = fall + rise + 2 * (data[right] - data[left]);
      dy[at] = rise - fall + 2 * (data[at + below] - data[at + above]);
    }
  }
  return { dx, dy };
}

/**
 * Canny's edges, white lines one pixel wide on black: ridges of the slope |dx| + |dy| above `high`, and those above `low`
 * that are connected with them. The thresholds mean the same as in OpenCV with `L2gradient=False`.
 *
 * J. Canny, "A computational approach to edge detection", 1986.
 */
export function canny(plane: Plane, low: number, high: number): Plane {
  const { width, height } = plane;
  const { dx, dy } = slopes(plane);
  const strength = new Int16Array(dx.length);
  for (let at = 0; at < strength.length; at++) strength[at] = Math.abs(dx[at]) + Math.abs(dy[at]);
  const data = new Uint8Array(strength.length);
  const seeds: number[] = [];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (strength[at] <= low || !isRidge(strength, dx[at], dy[at], at, x, y, width, height)) continue;
      data[at] = WEAK;
      if (strength[at] > high) seeds.push(at);
    }
  }
  return { data: keepConnected(data, width, height, seeds), width, height };
}

const WEAK = 1;
const ONLY_WHITE = table((value) => (value === 255 ? 255 : 0));

/** Whether the slope is steeper here than on one side of the line, and no less steep than on the other. */
function isRidge(strength: Int16Array, dx: number, dy: number, at: number, x: number, y: number, width: number, height: number): boolean {
  const [across, down] = [Math.abs(dx), Math.abs(dy)];
  // The step from this pixel to the next one across the edge, right and down.
  let [right, below] = [1, 1];
  if (down < LEVEL * across) below = 0;
  else if (across < LEVEL * down) right = 0;
  else if (dx > 0 !== dy > 0) right = -1;
  const valueAt = (column: number, row: number, index: number): number =>
    column < 0 || row < 0 || column >= width || row >= height ? 0 : strength[index];
  const step = below * width + right;
  return strength[at] > valueAt(x - right, y - below, at - step) && strength[at] >= valueAt(x + right, y + below, at + step);
}

/** White for the weak pixels that are connected with a seed, in eight directions; black for all others. */
function keepConnected(data: Uint8Array, width: number, height: number, seeds: number[]): Uint8Array {
  const open = seeds;
  for (const seed of seeds) data[seed] = 255;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const x = at % width;
    const y = (at - x) / width;
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
        const next = row * width + column;
        if (data[next] !== WEAK) continue;
        data[next] = 255;
        open.push(next);
      }
    }
  }
  return mapped(data, ONLY_WHITE);
}

/** Edges as wide, smooth lines whose brightness is their contrast: for nets trained on HED, soft edges or scribbles. */
export function softEdges(plane: Plane): Plane {
  const { dx, dy } = slopes(blurred(plane, BEFORE));
  const steep = new Uint8Array(dx.length);
  for (let at = 0; at < steep.length; at++) steep[at] = Math.min(255, Math.sqrt(dx[at] * dx[at] + dy[at] * dy[at]) * GAIN);
  const { data, width, height } = blurred({ ...plane, data: steep }, AFTER);
  const white = Math.max(quantile(data, BRIGHTEST), LEAST);
  const levels = table((value) => Math.min(255, 255 * Math.sqrt(value / white)));
  return { data: mapped(data, levels), width, height };
}

/** The value below which this share of the bytes lies, interpolated linearly. */
function quantile(data: Uint8Array, share: number): number {
  const counts = new Uint32Array(256);
  for (const value of data) counts[value]++;
  const rank = share * (data.length - 1);
  const valueAt = (wanted: number): number => {
    let seen = 0;
    return counts.findIndex((count) => {
      seen += count;
      return seen > wanted;
    });
  };
  const below = valueAt(Math.floor(rank));
  return below + (rank % 1) * (valueAt(Math.ceil(rank)) - below);
}
