import { EngineError } from '../../errors';
import type { Plane } from '../../image/control/plane';
import type { RawImage } from '../../types';
import { quote } from '../../util/quote';
import type { Tensor } from '../net';
import { floatsOf } from '../tensor';

/** The numbers of black and white in a net's output; `stretch` makes the smallest black and the largest white. */
export const OUTPUT_RANGES = ['auto', '0..1', '-1..1', '0..255', 'stretch'] as const;
export type OutputRange = (typeof OUTPUT_RANGES)[number];

const BOUNDS: Record<Exclude<OutputRange, 'auto' | 'stretch'>, [black: number, white: number]> = {
  '0..1': [0, 1],
  '-1..1': [-1, 1],
  '0..255': [0, 255],
};
/** The weight of the newest picture in the bounds of `stretch`: with 1, the picture would flicker. */
const FOLLOW = 0.2;
/** The angle between the hues of neighbouring classes, degrees: the golden angle, so that no two resemble each other. */
const HUE = 137.508;

/** Turns a net's output into a picture: one channel is grey, three are colours, more are scores of classes, each of which gets a colour. */
export class NetOutput {
  private bounds: [black: number, white: number] | undefined;

  constructor(
    private readonly range: OutputRange,
    private readonly net: string,
  ) {}

  /** @throws EBADMODEL when the output is not a picture, or holds NaN */
  toPicture(tensor: Tensor): Plane | RawImage {
    const { channels, height, width, isChannelsLast } = this.layoutOf(tensor.dims);
    const values = floatsOf(tensor);
    const plane = width * height;
    const at = (channel: number, pixel: number): number => values[isChannelsLast ? pixel * channels + channel : channel * plane + pixel];
    if (channels !== 1 && channels !== 3) return classes(at, channels, width, height);
    const [black, white] = this.boundsOf(values, channels);
    const gain = 255 / (white - black || 1);
    const data = new Uint8ClampedArray(channels * plane);
    for (let pixel = 0, byte = 0; pixel < plane; pixel++) {
      for (let channel = 0; channel < channels; channel++) data[byte++] = (at(channel, pixel) - black) * gain;
    }
    const bytes = new Uint8Array(data.buffer);
    return channels === 1 ? { data: bytes, width, height } : { data: bytes, width, height, channels: 3 };
  }

  private layoutOf(dims: readonly number[]): { channels: number; height: number; width: number; isChannelsLast: boolean } {
    const [batch, ...rest] = dims.length === 2 ? [1, ...dims] : dims;
    if (batch === 1 && rest.length === 2) return { channels: 1, height: rest[0], width: rest[1], isChannelsLast: false };
    if (dims.length === 3 && batch === 3) return { channels: 3, height: rest[0], width: rest[1], isChannelsLast: false };
    if (batch === 1 && rest.length === 3) {
      const isChannelsLast = (rest[2] === 1 || rest[2] === 3) && rest[0] > 3;
      const [channels, height, width] = isChannelsLast ? [rest[2], rest[0], rest[1]] : rest;
      return { channels, height, width, isChannelsLast };
    }
    throw new EngineError('EBADMODEL', `${this.net} gives no picture: its output is ${quote(dims)}; expected [1, C, H, W] or [1, H, W]`);
  }

  private boundsOf(values: Float32Array, channels: number): [black: number, white: number] {
    if (this.range !== 'auto' && this.range !== 'stretch') return BOUNDS[this.range];
    let [least, most] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (!Number.isFinite(least) || !Number.isFinite(most))
      throw new EngineError('EBADMODEL', `${this.net} gave a value that is not a number`);
    if (this.range === 'auto' && (channels === 3 || (least >= -0.01 && most <= 1.01 && !this.bounds))) return guessed(least, most);
    const before = this.bounds ?? [least, most];
    this.bounds = [before[0] + FOLLOW * (least - before[0]), before[1] + FOLLOW * (most - before[1])];
    return this.bounds;
  }
}

/** The range that a picture's values suggest: bytes, around zero, or from zero. */
function guessed(least: number, most: number): [black: number, white: number] {
  if (most > 8) return BOUNDS['0..255'];
  return least < -0.2 ? BOUNDS['-1..1'] : BOUNDS['0..1'];
}

/** A picture of the classes with the highest scores, the first class in black; two classes are black and white. */
function classes(at: (channel: number, pixel: number) => number, count: number, width: number, height: number): Plane | RawImage {
  const best = new Uint16Array(width * height);
  for (let pixel = 0; pixel < best.length; pixel++) {
    let highest = at(0, pixel);
    for (let channel = 1; channel < count; channel++) {
      const score = at(channel, pixel);
      if (score > highest) [highest, best[pixel]] = [score, channel];
    }
  }
  if (count === 2) return { data: Uint8Array.from(best, (each) => 255 * each), width, height };
  const colours = Array.from({ length: count }, (_, each) => (each === 0 ? [0, 0, 0] : colourOf(each * HUE)));
  const data = new Uint8Array(3 * best.length);
  for (let pixel = 0; pixel < best.length; pixel++) data.set(colours[best[pixel]], 3 * pixel);
  return { data, width, height, channels: 3 };
}

/** A saturated colour of this hue, degrees. */
function colourOf(hue: number): number[] {
  return [0, 8, 4].map((offset) => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (0.55 - 0.45 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
}
