import type { Tensor, TensorType } from '../net';

/** The protocol's names of the element types that a net may take or give. */
const NAMES: Record<TensorType, string> = { float32: 'FP32', float16: 'FP16', float64: 'FP64', int64: 'INT64', int32: 'INT32' };
const SIZES: Record<TensorType, number> = { float32: 4, float16: 2, float64: 8, int64: 8, int32: 4 };

export function datatypeOf(type: TensorType): string {
  return NAMES[type];
}

/** Undefined for a type that no net of ours has. */
export function typeOf(datatype: string): TensorType | undefined {
  return (Object.keys(NAMES) as TensorType[]).find((type) => NAMES[type] === datatype);
}

/** How many bytes a dense tensor of this shape has. */
export function byteLength(type: TensorType, shape: number[]): number {
  return shape.reduce((count, size) => count * size, SIZES[type]);
}

/** The bytes of a tensor as they are sent: little-endian, as all machines that ONNX Runtime runs on count. */
export function bytesOf({ buffer, byteOffset, byteLength: length }: Tensor['data']): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/**
 * Bytes as a tensor of its own: copied where they are a part of something, else taken over. They must be as many as
 * {@link byteLength} says.
 */
export function tensorFrom(type: TensorType, bytes: Uint8Array, dims: number[]): Tensor {
  const buffer = (bytes.length === bytes.buffer.byteLength ? bytes.buffer : Uint8Array.prototype.slice.call(bytes).buffer) as ArrayBuffer;
  switch (type) {
    case 'float32':
      return { type, data: new Float32Array(buffer), dims };
    case 'float16':
      return { type, data: new Uint16Array(buffer), dims };
    case 'float64':
      return { type, data: new Float64Array(buffer), dims };
    case 'int32':
      return { type, data: new Int32Array(buffer), dims };
    case 'int64':
      return { type, data: new BigInt64Array(buffer), dims };
  }
}
