import type { Json } from '../../../util/json-file';
import type { Tensor, TensorInfo } from '../../../net/net';
import { stackedTensor } from '../../../net/tensor';
import type { UnetRow } from '../row';

/** What a UNet is fed, by the names of its inputs. */
export type Feeds = Record<string, Tensor>;

/** A UNet as far as its file and config tell. */
export interface UnetFacts {
  inputs: readonly TensorInfo[];
  /** Rows a run, where the export fixed that. */
  batch: number | undefined;
  /** Says what the net itself leaves free. */
  config: Json;
  /** Picture size ÷ latent size. */
  factor: number;
}

/** Rows that go through the UNet together. */
export interface Run {
  rows: readonly UnetRow[];
  /** How many the net takes at once: those beyond `rows` repeat the last one. */
  batch: number;
  /** Of the latents, h and w. */
  height: number;
  width: number;
}

/** Some inputs of a UNet, and what fills them. */
export interface Port {
  /** The inputs that are its own; no other port may claim them. */
  readonly inputs: readonly TensorInfo[];
  /** What one should know about them, in sentences. */
  readonly notes?: readonly string[];
  /** Rows whose keys differ cannot share a run. Default: all rows can. */
  keyOf?(row: UnetRow): string | number;
  /** A value for each of its inputs. Rows that do not use it get one that changes nothing. */
  fill(run: Run): Feeds | Promise<Feeds>;
}

/** Claims the inputs that it knows, by name and type; nothing where a UNet has none of them. @throws EBADMODEL */
export type ClaimPort = (unet: UnetFacts) => Port | undefined;

/** The input of this name, if there is one. */
export function inputNamed({ inputs }: Pick<UnetFacts, 'inputs'>, name: string): TensorInfo | undefined {
  return inputs.find((info) => info.name === name);
}

/** A port that has its values at hand. */
export type ReadyPort = Omit<Port, 'fill'> & { fill(run: Run): Feeds };

/**
 * A port of one input that takes some numbers of every row: [B, D], or [B] for one number.
 *
 * @param numbersOf the numbers of a row, equally many of each; of a row that does not use them, such that nothing changes
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

/** So many different runs of late: streams that take turns, and a batch that fills and drains. */
const RUNS_KEPT = 8;

/**
 * What changes from one run to the next seldom or never is made once: prompts, timesteps, sizes.
 *
 * @param causes all that the values follow from, beside the number of rows
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

/** Which rows go together into which run of at most `most`, as their indices. */
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
