import type { Tensor, TensorType } from './net';

const SIZES: Record<TensorType, number> = { float32: 4, float16: 2, float64: 8, int64: 8, int32: 4, uint8: 1 };

/** The bytes of a dense tensor of this shape. */
export function byteLength(type: TensorType, shape: number[]): number {
  return shape.reduce((count, size) => count * size, SIZES[type]);
}

/** The bytes of a tensor, little-endian like all machines that ONNX Runtime runs on. */
export function bytesOf({ buffer, byteOffset, byteLength: length }: Tensor['data']): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/**
 * Bytes as a tensor: copied where they are part of a larger buffer, otherwise taken over. Their number must be
 * {@link byteLength}.
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
    case 'uint8':
      return { type, data: new Uint8Array(buffer), dims };
    case 'int64':
      return { type, data: new BigInt64Array(buffer), dims };
  }
}

/** The rows `from` to `to` (exclusive) of a tensor, copied. */
export function rowsOf({ type, data, dims }: Tensor, from: number, to: number): Tensor {
  const [rows, ...rest] = dims;
  const length = data.byteLength / rows;
  return tensorFrom(type, bytesOf(data).slice(from * length, to * length), [to - from, ...rest]);
}

/** A tensor in parts of at most `most` rows each. */
export function inParts(tensor: Tensor, most: number): Tensor[] {
  const [rows] = tensor.dims;
  return Array.from({ length: Math.ceil(rows / most) }, (_, k) => rowsOf(tensor, k * most, Math.min(rows, (k + 1) * most)));
}

/** One tensor with the rows of all parts. */
export function joined(parts: Tensor[]): Tensor {
  const [{ type, dims }] = parts;
  const rows = parts.reduce((sum, part) => sum + part.dims[0], 0);
  return tensorFrom(type, Buffer.concat(parts.map(({ data }) => bytesOf(data))), [rows, ...dims.slice(1)]);
}

/** The tensor cut to its first rows, or filled up with copies of its last. */
export function withRows(tensor: Tensor, rows: number): Tensor {
  const [given] = tensor.dims;
  if (given === rows) return tensor;
  if (given > rows) return rowsOf(tensor, 0, rows);
  const last = rowsOf(tensor, given - 1, given);
  return joined([tensor, ...new Array<Tensor>(rows - given).fill(last)]);
}
