import type { PlayValues } from './values';

/** A value that was set here counts for this long, ms, until the flow has had time to take it over; after that, the rendered one. */
const SETTLE_MS = 2000;
/** Weights are told apart from parameters of the same name by this. */
const WEIGHT_PREFIX = 'weight ';

/** The values that all pages of a sink show: those that somebody set on a page, and otherwise those that are rendered. */
export class SharedValues {
  private values: PlayValues = { params: {}, weights: {} };
  /** When a value was set on a page, by its name. */
  private readonly touched = new Map<string, number>();

  get current(): PlayValues {
    return this.values;
  }

  /** Takes over values that were set on a page. @returns the new ones among them, if there are any */
  set(values: PlayValues, now = performance.now()): PlayValues | undefined {
    for (const name of namesOf(values)) this.touched.set(name, now);
    return this.change(values);
  }

  /** Takes over rendered values, except those that were set on a page a moment ago. @returns the new ones, if there are any */
  follow({ prompt, params, weights }: PlayValues, now: number): PlayValues | undefined {
    const isSettled = (name: string): boolean => now - (this.touched.get(name) ?? -Infinity) > SETTLE_MS;
    const settled = (values: object, prefix = ''): Record<string, number> =>
      Object.fromEntries(Object.entries(values).filter(([name]) => isSettled(prefix + name)));
    return this.change({
      ...(prompt !== undefined && isSettled('prompt') && { prompt }),
      params: settled(params),
      weights: settled(weights, WEIGHT_PREFIX),
    });
  }

  private change({ prompt, params, weights }: PlayValues): PlayValues | undefined {
    const isNewPrompt = prompt !== undefined && JSON.stringify(prompt) !== JSON.stringify(this.values.prompt);
    const news = {
      ...(isNewPrompt && { prompt }),
      params: changed(params, this.values.params),
      weights: changed(weights, this.values.weights),
    };
    if (!isNewPrompt && Object.keys(news.params).length + Object.keys(news.weights).length === 0) return undefined;
    this.values = {
      ...this.values,
      ...(isNewPrompt && { prompt }),
      params: { ...this.values.params, ...params },
      weights: { ...this.values.weights, ...weights },
    };
    return news;
  }
}

function namesOf({ prompt, params, weights }: PlayValues): string[] {
  const names = [...Object.keys(params), ...Object.keys(weights).map((name) => WEIGHT_PREFIX + name)];
  return prompt === undefined ? names : [...names, 'prompt'];
}

function changed(values: Record<string, number>, old: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => old[name] !== value));
}
