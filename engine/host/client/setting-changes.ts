import type { LiveParams, StreamSettings } from '../protocol/messages';

/** Whether all these parameters are set already. */
export function isPartOf(params: LiveParams, settings: StreamSettings): boolean {
  return (Object.keys(params) as (keyof StreamSettings)[]).every((name) => JSON.stringify(params[name]) === JSON.stringify(settings[name]));
}

/** Takes a change back, but nothing that was changed after it. */
export function withoutChange(settings: StreamSettings, { weights, ...params }: LiveParams, before: StreamSettings): StreamSettings {
  const restored = restore(settings, params, before);
  return weights ? { ...restored, weights: restore(settings.weights ?? {}, weights, before.weights ?? {}) } : restored;
}

/** `now`, with the values that still are as `change` set them replaced by those of `before`. */
function restore<T extends object>(now: T, change: Partial<T>, before: T): T {
  const names = (Object.keys(change) as (keyof T)[]).filter((name) => Object.is(now[name], change[name]));
  const entries = Object.entries({ ...now, ...Object.fromEntries(names.map((name) => [name, before[name]])) });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
}
