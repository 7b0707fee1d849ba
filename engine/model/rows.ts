import { EngineError } from '../errors';
import type { TensorInfo } from '../net/net';

/** The input or output of one of these names; otherwise the only one there is. */
export function pick(net: string, infos: readonly TensorInfo[], side: 'input' | 'output', names: string[]): TensorInfo {
  const found = names.map((name) => infos.find((info) => info.name === name)).find((info) => info !== undefined);
  if (found) return found;
  if (infos.length === 1) return infos[0];
  const there = infos.map(({ name }) => `"${name}"`).join(', ');
  throw new EngineError('EBADMODEL', `${net} has no ${side} ${names.map((name) => `"${name}"`).join(' or ')}; it has ${there}`);
}

/** A size that the export fixed, or undefined when it is free. */
export function fixed(size: number | string | undefined): number | undefined {
  return typeof size === 'number' && size > 0 ? size : undefined;
}

/** Height and width that the export fixed; undefined when one is free. */
export function fixedSize([, , height, width]: (number | string)[]): [number, number] | undefined {
  const [h, w] = [fixed(height), fixed(width)];
  return h !== undefined && w !== undefined ? [h, w] : undefined;
}

/** Refuses a tensor that does not fit an export with fixed sizes; the runtime's own message would be incomprehensible. @throws EBADPARAM */
export function checkDims(net: string, info: TensorInfo, dims: number[], factor: number): void {
  if (info.shape.length === dims.length && info.shape.every((size, i) => fixed(size) === undefined || size === dims[i])) return;
  const [, , height, width] = info.shape;
  const hint =
    info.shape.length === 4 && fixed(height) && fixed(width)
      ? `; this export is made for pictures of ${Number(width) * factor}×${Number(height) * factor} only`
      : '';
  throw new EngineError('EBADPARAM', `${net} takes "${info.name}" as [${info.shape.join(', ')}], got [${dims.join(', ')}]${hint}`);
}

/** Rows of equal length in one array, for a batch of `batch` rows; missing ones repeat the last. A single row is not copied. */
export function stack(rows: Float32Array[], batch = rows.length): Float32Array {
  if (batch === 1) return rows[0];
  const length = rows[0].length;
  const out = new Float32Array(batch * length);
  for (let row = 0; row < batch; row++) out.set(rows[Math.min(row, rows.length - 1)], row * length);
  return out;
}

/** The first `count` rows of a batch of `batch`, as views. */
export function unstack(values: Float32Array, batch: number, count: number): Float32Array[] {
  const length = values.length / batch;
  return Array.from({ length: count }, (_, row) => values.subarray(row * length, (row + 1) * length));
}
