/** How long a test waits for an event, ms: a limit for busy machines, not a measure. */
export const PATIENCE = 60_000;

/** Waits for a condition; rejects with the text of `state` when it does not come true in time. */
export async function until(condition: () => boolean, withinMs = PATIENCE, state: () => string = () => 'it did not happen'): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms: ${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
