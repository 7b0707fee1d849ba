import type { PixelRange } from '../image/brightness';
import { toImage, toTensor } from '../image/pixels';
import { fromFloat16, toFloat16 } from './float16';
import type { PixelTensor, Tensor, TensorType } from './net';

/** Of a picture's values, which are many, every so-manieth is looked at; what overflows in a net spreads over its whole output. */
export const PIXEL_STRIDE = 61;

/** Numbers as a tensor of the type that a net wants; whole types round towards zero. */
export function tensorOf(type: TensorType, values: Float32Array, dims: number[]): Tensor {
  switch (type) {
    case 'float32':
      return { type, data: values, dims };
    case 'float16':
      return { type, data: toFloat16(values), dims };
    case 'float64':
      return { type, data: Float64Array.from(values), dims };
    case 'int32':
      return { type, data: Int32Array.from(values), dims };
    case 'int64':
      return { type, data: BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))), dims };
  }
}

/** The values of a tensor as float32; a float32 tensor's own data, not a copy. */
export function floatsOf(tensor: Tensor): Float32Array {
  const { data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array) return fromFloat16(data);
  return Float32Array.from(data, Number);
}

/** The numbers that pixels stand for, as a net of this type takes them. */
export function fromPixels({ data, dims }: PixelTensor, type: TensorType, range: PixelRange): Tensor {
  const [, , height, width] = dims;
  return tensorOf(type, toTensor({ data, width, height, channels: 3 }, range), dims);
}

/** A net's output as pixels; one that is no picture, or holds what is no number, as it is. */
export function toPixels(tensor: Tensor, range: PixelRange): Tensor | PixelTensor {
  const { dims } = tensor;
  const values = floatsOf(tensor);
  const [batch, channels, height, width] = dims;
  if (dims.length !== 4 || batch !== 1 || channels !== 3 || !isFiniteHere(values)) return tensor;
  return { type: 'pixels', data: toImage(values, width, height, range).data, dims };
}

function isFiniteHere(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i += PIXEL_STRIDE) if (!Number.isFinite(values[i])) return false;
  return true;
}
