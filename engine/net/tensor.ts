import type { PixelRange } from '../image/brightness';
import { brightness, toImage, toInterleaved, toPlanes, UNITS } from '../image/pixels';
import { fromFloat16, toFloat16 } from './float16';
import type { PixelTensor, Tensor, TensorType } from './net';

/** Only every 61st of a picture's many values is checked: NaN in a net spreads over its whole output. */
export const PIXEL_STRIDE = 61;

/** Numbers as a tensor of a net's type; integer types round towards zero. */
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
    case 'uint8':
      return { type, data: Uint8Array.from(values), dims };
    case 'int64':
      return { type, data: BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))), dims };
  }
}

/** Rows of equal length as one tensor with `batch` rows; missing ones repeat the last. */
export function stackedTensor(type: TensorType, rows: readonly Float32Array[], batch: number, dims: number[]): Tensor {
  const { length } = rows[0];
  const rowOf = (k: number): Float32Array => rows[Math.min(k, rows.length - 1)];
  if (type === 'float16') {
    const halves = new Uint16Array(batch * length);
    for (let k = 0; k < batch; k++) toFloat16(rowOf(k), halves.subarray(k * length, (k + 1) * length));
    return { type, data: halves, dims };
  }
  if (batch === 1) return tensorOf(type, rows[0], dims);
  const floats = new Float32Array(batch * length);
  for (let k = 0; k < batch; k++) floats.set(rowOf(k), k * length);
  return tensorOf(type, floats, dims);
}

/** The values of a tensor as float32; of a float32 tensor, its own data and not a copy. */
export function floatsOf(tensor: Tensor): Float32Array {
  const { data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array) return fromFloat16(data);
  return Float32Array.from(data, Number);
}

/** Pixels as the numbers of a net of this type, repeated for as many pictures as the net takes. */
export function fromPixels({ data, dims }: PixelTensor, type: TensorType, range: PixelRange): Tensor {
  const [batch, , height, width] = dims;
  const length = 3 * height * width;
  if (type === 'float16') {
    const halves = toPlanes(data, HALVES[range](), new Uint16Array(length));
    return { type, data: batch === 1 ? halves : repeated(halves, new Uint16Array(batch * length)), dims };
  }
  const floats = toPlanes(data, UNITS[range], new Float32Array(length));
  return tensorOf(type, batch === 1 ? floats : repeated(floats, new Float32Array(batch * length)), dims);
}

/** The first picture of a net's output as pixels; an output that is not a picture, or that holds NaN, is returned unchanged. */
export function toPixels(tensor: Tensor, range: PixelRange): Tensor | PixelTensor {
  const { data, dims } = tensor;
  const [, channels, height, width] = dims;
  if (dims.length !== 4 || channels !== 3) return tensor;
  const length = 3 * height * width;
  const pixels = { type: 'pixels' as const, dims: [1, 3, height, width] };
  if (data instanceof Uint16Array) {
    const halves = data.subarray(0, length);
    return isFiniteHere(halves, isFiniteHalf) ? { ...pixels, data: toInterleaved(halves, BYTES[range]()) } : tensor;
  }
  const values = floatsOf(tensor).subarray(0, length);
  return isFiniteHere(values, Number.isFinite) ? { ...pixels, data: toImage(values, width, height, range).data } : tensor;
}

/** The half precision number of each byte. */
const HALVES = perRange((range) => toFloat16(UNITS[range]));
/** The byte of each half precision number. */
const BYTES = perRange((range) => {
  const floats = fromFloat16(Uint16Array.from({ length: 65_536 }, (_, bits) => bits));
  return Uint8Array.from(floats, (value) => brightness(value, range));
});

/** One table per range, computed when it is first needed. */
function perRange<T>(make: (range: PixelRange) => T): Record<PixelRange, () => T> {
  const lazy = (range: PixelRange): (() => T) => {
    let made: T | undefined;
    return () => {
      made ??= make(range);
      return made;
    };
  };
  return { '-1..1': lazy('-1..1'), '0..1': lazy('0..1') };
}

function repeated<T extends Float32Array | Uint16Array>(one: T, all: T): T {
  for (let at = 0; at < all.length; at += one.length) all.set(one, at);
  return all;
}

function isFiniteHalf(bits: number): boolean {
  return (bits & 0x7c00) !== 0x7c00;
}

function isFiniteHere(values: Float32Array | Uint16Array, isFiniteOne: (value: number) => boolean): boolean {
  for (let i = 0; i < values.length; i += PIXEL_STRIDE) if (!isFiniteOne(values[i])) return false;
  return true;
}
