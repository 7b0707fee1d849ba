import type { Json } from '../../../util/json-file';
import type { Tensor, TensorInfo } from '../../../net/net';
import { stackedTensor } from '../../../net/tensor';
import type { UnetRow } from '../row';

/** The values of a UNet's inputs, by name. */
export type Feeds = Record<string, Tensor>;

/** The facts about a UNet from its file and config. */
export interface UnetFacts {
  inputs: readonly TensorInfo[];
  /** Rows per run, where the export fixed it. */
  batch: number | undefined;
  /** The config, for sizes that the net leaves free. */
  config: Json;
  /** Picture size ÷ latent size. */
  factor: number;
}

/** A run of the UNet: the rows that are computed together. */
export interface Run {
  rows: readonly UnetRow[];
  /** The number of rows that the net takes; those beyond `rows` repeat the last one. */
  batch: number;
  /** The size of the latents, h and w. */
  height: number;
  width: number;
}

/** A port fills some inputs of a UNet. */
export interface Port {
  /** Its inputs, which no other port may claim. */
  readonly inputs: readonly TensorInfo[];
  /** Notes on them for users, in sentences. */
  readonly notes?: readonly string[];
  /** Rows with different keys cannot share a run. Default: all rows can. */
  keyOf?(row: UnetRow): string | number;
  /** A value for each of its inputs, which is neutral for rows that do not use them. */
  fill(run: Run): Feeds | Promise<Feeds>;
}

/** Claims the inputs that it knows, by name and type; returns undefined where a UNet has none of them. @throws EBADMODEL */
export type ClaimPort = (unet: UnetFacts) => Port | undefined;

/** The input of this name, if there is one. */
export function inputNamed({ inputs }: Pick<UnetFacts, 'inputs'>, name: string): TensorInfo | undefined {
  return inputs.find((info) => info.name === name);
}

/** A port that fills its inputs synchronously. */
export type ReadyPort = Omit<Port, 'fill'> & { fill(run: Run): Feeds };

/**
 * A port of one input with some numbers per row: [B, D], or [B] for one number.
 *
 * @param numbersOf the numbers of a row, the same count for every row; neutral ones for a row that does not use them
 */
export function portPerRow(info: TensorInfo, numbersOf: (row: UnetRow, run: Run) => Float32Array): ReadyPort {
  return {
    inputs: [info],
    fill(run: Run): Feeds {
      const values = run.rows.map((row) => numbersOf(row, run));
      const dims = info.shape.length === 1 ? [run.batch] : [run.batch, values[0].length];
      return { [info.name]: stackedTensor(info.type, values, run.batch, dims) };
    },
  };
}

/** The number of different recent runs that are kept: for streams that take turns, and a batch that fills and drains. */
const RUNS_KEPT = 8;

/**
 * Computes values once that seldom or never change between runs: prompts, timesteps, sizes.
 *
 * @param causes everything that the values depend on, besides the number of rows
 */
export function kept(causes: (run: Run) => readonly unknown[], fill: (run: Run) => Feeds): (run: Run) => Feeds {
  const made: { causes: readonly unknown[]; feeds: Feeds }[] = [];
  return (run) => {
    const now = [run.batch, ...causes(run)];
    const at = made.findIndex((one) => one.causes.length === now.length && one.causes.every((cause, i) => cause === now[i]));
    const [found] = at === -1 ? [{ causes: now, feeds: fill(run) }] : made.splice(at, 1);
    made.unshift(found);
    if (made.length > RUNS_KEPT) made.pop();
    return found.feeds;
  };
}

/** The prompts of a run's rows. */
export function promptsOf({ rows }: Run): readonly unknown[] {
  return rows.map(({ conditioning }) => conditioning);
}

/** Divides rows into runs of at most `most` that may share a run, as indices. */
export function runsOf(ports: readonly Port[], rows: readonly UnetRow[], most: number): number[][] {
  const groups = new Map<string, number[]>();
  rows.forEach((row, index) => {
    const key = ports.map((port) => port.keyOf?.(row)).join();
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return [...groups.values()].flatMap((group) => {
    const size = Math.min(most, group.length);
    return Array.from({ length: Math.ceil(group.length / size) }, (_, k) => group.slice(k * size, (k + 1) * size));
  });
}
