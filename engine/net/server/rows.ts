import type { Tensor } from '../net';
import { bytesOf, tensorFrom } from './datatypes';

/** Parts of a tensor with at most so many rows each. */
export function inParts(tensor: Tensor, most: number): Tensor[] {
  const [rows, ...rest] = tensor.dims;
  const bytes = bytesOf(tensor.data);
  const rowLength = bytes.length / rows;
  const parts: Tensor[] = [];
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    parts.push(tensorFrom(tensor.type, bytes.subarray(row * rowLength, (row + count) * rowLength), [count, ...rest]));
  }
  return parts;
}

/** One tensor with the rows of all. */
export function joined(parts: Tensor[]): Tensor {
  const [{ type, dims }] = parts;
  const rows = parts.reduce((sum, part) => sum + part.dims[0], 0);
  return tensorFrom(type, Buffer.concat(parts.map(({ data }) => bytesOf(data))), [rows, ...dims.slice(1)]);
}
