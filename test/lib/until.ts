/** How long a test waits for what has to happen, ms: a limit for machines that are busy with something else, not a measure. */
export const PATIENCE = 60_000;

/** Waits for a condition; rejects with what `state` says when it does not come true in time. */
export async function until(condition: () => boolean, withinMs = PATIENCE, state: () => string = () => 'it did not happen'): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms: ${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
