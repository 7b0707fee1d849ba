import { EngineError } from '../../errors';
import type { RawImage } from '../../types';
import { quote } from '../../util/quote';
import type { Tensor, TensorInfo } from '../net';
import { tensorOf } from '../tensor';

/** The numbers of black and white in a net's input; `imagenet` normalises by the mean and deviation of ImageNet's colours. */
export const INPUT_RANGES = ['auto', '0..1', '-1..1', '0..255', 'imagenet'] as const;
export type InputRange = (typeof INPUT_RANGES)[number];

/** The numbers of the 256 values of red, green and blue. */
export type ColourTables = [Float32Array, Float32Array, Float32Array];

/** How a net takes its picture. */
export interface NetInput {
  name: string;
  isChannelsLast: boolean;
  channels: 1 | 3;
  /** The fixed width, pixels; undefined where it is free. */
  width?: number;
  height?: number;
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * The one picture that a net takes: [N, C, H, W] or [N, H, W, C], with one or three channels.
 *
 * @throws EBADMODEL when it takes something else, or more
 */
export function netInput(inputs: readonly TensorInfo[], net: string): NetInput {
  const [input, ...others] = inputs;
  const shape = input?.shape ?? [];
  if (others.length > 0 || shape.length !== 4) {
    const got = inputs.map(({ name, shape: each }) => `${quote(name)} [${each.join(', ')}]`).join(' and ');
    throw new EngineError(
      'EBADMODEL',
      `${net} is not a net from picture to picture: it takes ${got || 'nothing'}; expected one [N, C, H, W]`,
    );
  }
  const isChannelsLast = isChannels(shape[3]) && !isChannels(shape[1]);
  const channels = isChannelsLast ? shape[3] : shape[1];
  if (typeof channels === 'number' && !isChannels(channels)) {
    throw new EngineError('EBADMODEL', `${net} takes ${channels} channels at ${quote(input.name)}; a picture has 1 or 3`);
  }
  const [height, width] = isChannelsLast ? shape.slice(1, 3) : shape.slice(2);
  return {
    name: input.name,
    isChannelsLast,
    channels: channels === 1 ? 1 : 3,
    ...(typeof width === 'number' && width > 0 && { width }),
    ...(typeof height === 'number' && height > 0 && { height }),
  };
}

/** @param image of the net's size */
export function toNetTensor({ data, width, height }: RawImage, input: NetInput, type: TensorInfo['type'], tables: ColourTables): Tensor {
  const { channels, isChannelsLast } = input;
  const plane = width * height;
  const values = new Float32Array(channels * plane);
  for (let pixel = 0, byte = 0; pixel < plane; pixel++, byte += 3) {
    const [red, green, blue] = [tables[0][data[byte]], tables[1][data[byte + 1]], tables[2][data[byte + 2]]];
    if (channels === 1) values[pixel] = 0.299 * red + 0.587 * green + 0.114 * blue;
    else if (isChannelsLast) values.set([red, green, blue], 3 * pixel);
    else {
      values[pixel] = red;
      values[plane + pixel] = green;
      values[2 * plane + pixel] = blue;
    }
  }
  return tensorOf(type, values, isChannelsLast ? [1, height, width, channels] : [1, channels, height, width]);
}

export function colourTables(range: Exclude<InputRange, 'auto'>): ColourTables {
  switch (range) {
    case '0..1':
      return normalized(1 / 255, [0, 0, 0], [1, 1, 1]);
    case '-1..1':
      return normalized(1 / 255, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
    case '0..255':
      return normalized(1, [0, 0, 0], [1, 1, 1]);
    case 'imagenet':
      return normalized(1 / 255, IMAGENET.mean, IMAGENET.std);
  }
}

/** (value · scale − mean) / std for each colour. */
export function normalized(scale: number, mean: readonly number[], std: readonly number[]): ColourTables {
  const table = (channel: number): Float32Array =>
    Float32Array.from({ length: 256 }, (_, value) => (value * scale - mean[channel]) / std[channel]);
  return [table(0), table(1), table(2)];
}

function isChannels(size: number | string): boolean {
  return size === 1 || size === 3;
}
