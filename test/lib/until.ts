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

/** Asks one time after the other until the answer is yes. Unlike in {@link until}, no question is still under way afterwards. */
export async function eventually(
  ask: () => Promise<boolean>,
  withinMs = PATIENCE,
  state: () => string = () => 'it did not come true',
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms: ${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Asks over HTTP until the answer has this status; resolves to that answer. */
export async function answered(ask: () => Promise<Response>, status = 200): Promise<Response> {
  let answer: Response | undefined;
  await eventually(
    async () => {
      await answer?.body?.cancel();
      answer = await ask();
      return answer.status === status;
    },
    PATIENCE,
    () => `${answer?.url} answers ${answer?.status}, not ${status}`,
  );
  return answer as Response;
}

/**
 * Waits until a count stands still for `ms`: what was under way has come, and then nothing more. It must be many times as long
 * as the pause between two things that are counted.
 */
export async function standsStill(count: () => number, ms: number): Promise<void> {
  let before = count();
  await eventually(
    async () => {
      const last = before;
      await new Promise((resolve) => setTimeout(resolve, ms));
      before = count();
      return before === last;
    },
    PATIENCE,
    () => `it goes on: ${before}`,
  );
}
