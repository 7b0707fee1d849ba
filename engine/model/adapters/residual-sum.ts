import { EngineError } from '../../errors';
import type { Tensor, TensorInfo } from '../../net/net';
import { tensorOf } from '../../net/tensor';
import { printable } from '../../util/quote';
import { fixed } from '../rows';
import type { Run } from '../unet/ports/port';
import { weightOf } from '../unet/row';

/** An adapter's addition to one tensor of a UNet, for one row. */
export interface Residual {
  data: Float32Array;
  /** [C, h', w'] */
  dims: number[];
}

/** An adapter's residuals for some of a run's rows. */
export interface Added {
  /** The adapter's name. */
  name: string;
  /** The rows' indices. */
  rows: number[];
  /** The residuals of each of these rows, in the order of the UNet's inputs. */
  residuals: Residual[][];
}

/** Σ_k s_k·r_k for input number `at`, with each row's own strengths; where no row has any, zeros that are broadcast. */
export function residualSum(info: TensorInfo, at: number, added: readonly Added[], { rows, batch }: Run): Tensor {
  const [first] = added;
  if (!first) {
    const dims = info.shape.map((size, i) => fixed(size) ?? (i === 0 ? batch : 1));
    return tensorOf(info.type, new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  }
  const { data, dims } = first.residuals[0][at];
  const values = new Float32Array(batch * data.length);
  for (const { name, rows: indices, residuals } of added) {
    indices.forEach((index, i) => {
      const own = residuals[i][at];
      if (own.dims.join() !== dims.join()) throw unlike(name, first.name, own.dims, dims);
      const strength = weightOf(rows[index], name);
      for (let from = 0, to = index * data.length; from < data.length; from++, to++) values[to] += strength * own.data[from];
    });
  }
  return tensorOf(info.type, values, [batch, ...dims]);
}

function unlike(name: string, other: string, dims: number[], others: number[]): EngineError {
  return new EngineError(
    'EBADMODEL',
    `the adapters ${printable(name)} and ${printable(other)} give residuals [${dims.join(', ')}] and [${others.join(', ')}]: they are not for the same model`,
  );
}
