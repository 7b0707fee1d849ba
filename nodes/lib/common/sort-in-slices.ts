/** The number of names that are sorted at a time, about a millisecond's work. */
const RUN = 128;
/** After this time the event loop gets its turn, ms. */
const SLICE_MS = 4;

/** Sorts like `toSorted`, but never blocks the event loop for long: merge sort with pauses. */
export async function sortInSlices(names: readonly string[], compare: (a: string, b: string) => number): Promise<string[]> {
  let began = performance.now();
  const breathe = async (): Promise<void> => {
    if (performance.now() - began < SLICE_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    began = performance.now();
  };
  let runs: string[][] = [];
  for (let at = 0; at < names.length; at += RUN) {
    runs.push(names.slice(at, at + RUN).sort(compare));
    await breathe();
  }
  while (runs.length > 1) {
    const longer: string[][] = [];
    for (let k = 0; k < runs.length; k += 2)
      longer.push(k + 1 < runs.length ? await merge(runs[k], runs[k + 1], compare, breathe) : runs[k]);
    runs = longer;
  }
  return runs[0] ?? [];
}

async function merge(
  first: string[],
  second: string[],
  compare: (a: string, b: string) => number,
  breathe: () => Promise<void>,
): Promise<string[]> {
  const merged: string[] = [];
  for (let [i, j] = [0, 0]; i < first.length || j < second.length; ) {
    const isFirst = j >= second.length || (i < first.length && compare(first[i], second[j]) <= 0);
    merged.push(isFirst ? first[i++] : second[j++]);
    if (merged.length % RUN === 0) await breathe();
  }
  return merged;
}
