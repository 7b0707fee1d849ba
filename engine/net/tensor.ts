import { fromFloat16, toFloat16 } from './float16';
import type { Tensor, TensorType } from './net';

/** Numbers as a tensor of the type that a net wants; whole types round towards zero. */
export function tensorOf(type: TensorType, values: Float32Array, dims: number[]): Tensor {
  switch (type) {
    case 'float32':
      return { type, data: values, dims };
    case 'float16':
      return { type, data: toFloat16(values), dims };
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
