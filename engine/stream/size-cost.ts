import { needsNegativePass } from '../diffusion/guidance';
import type { StreamSetup } from '../diffusion/setup';

/** The cost of one frame at a picture size, measured by one run of each net. */
export interface Cost {
  /** Pixels. */
  area: number;
  /** The time of one row in the UNet, ms. */
  unetMs: number;
  /** The time of the encoder and the decoder together, ms. */
  vaeMs: number;
  /** The most resident memory of this process until then, bytes. */
  peak: number;
  /** The most rows that went through the UNet at once. */
  rows: number;
}

type Point = [area: number, value: number];

export function areaOf({ options: { width, height } }: StreamSetup): number {
  return width * height;
}

/** The rows of one UNet call when the batch is full. */
export function rowsOf({ denoising, options }: StreamSetup): number {
  return denoising.steps.reduce((count, _, step) => count + (needsNegativePass(denoising, step) ? 2 : 1), 0) * options.frameBufferSize;
}

/** The time of one tick, ms. */
export function tickMs({ vaeMs, unetMs }: Pick<Cost, 'vaeMs' | 'unetMs'>, rows: number): number {
  return vaeMs + unetMs * rows;
}

/** The estimated time of a setup's tick, ms, from the costs of two smaller sizes. */
export function estimatedTickMs(setup: StreamSetup, smaller: Cost, larger: Cost): number {
  const at = (name: 'unetMs' | 'vaeMs'): number => extrapolate([smaller.area, smaller[name]], [larger.area, larger[name]], areaOf(setup));
  return tickMs({ vaeMs: at('vaeMs'), unetMs: at('unetMs') }, rowsOf(setup));
}

/** The estimated peak of memory of a setup with one row, bytes, from the costs of two smaller sizes. */
export function estimatedPeak(setup: StreamSetup, smaller: Cost, larger: Cost): number {
  return linear([smaller.area, smaller.peak], [larger.area, larger.peak], areaOf(setup));
}

function linear([a, x]: Point, [b, y]: Point, area: number): number {
  return b > a ? y + (Math.max(0, y - x) / (b - a)) * Math.max(0, area - b) : y * Math.max(1, area / b);
}

/** Linear, or with the power of the area by which the value grew where that is more than 1, as for attention. */
function extrapolate(smaller: Point, larger: Point, area: number): number {
  const [[a, x], [b, y]] = [smaller, larger];
  const power = b > a && x > 0 ? Math.log(y / x) / Math.log(b / a) : 1;
  return Math.max(linear(smaller, larger, area), power > 1 ? y * Math.max(1, area / b) ** power : 0);
}
