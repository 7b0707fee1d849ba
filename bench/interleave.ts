/** One figure, measured several times. */
export interface Figure {
  median: number;
  min: number;
  max: number;
}

export function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/**
 * Measures variants in turn, A B C A B C …, so that a machine that speeds up or slows down affects all of them.
 *
 * @param variants each measures once and returns a figure, such as ms per frame
 * @param rounds counted rounds, after one that is not counted
 * @returns the values of every variant, round by round
 */
export async function interleave<Name extends string>(
  variants: Record<Name, () => Promise<number>>,
  rounds: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(variants) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = await variants[name]();
      if (round > 0) values[name].push(value);
    }
  }
  return values;
}

/** How many times `slow` is slower than `fast`, pair by pair. */
export function ratio(slow: readonly number[], fast: readonly number[]): Figure {
  return figure(slow.map((value, k) => value / fast[k]));
}
