/**
 * A text that is the same for equal values: the entries of objects are sorted by name, and undefined ones are left out.
 */
export function stableText(value: unknown): string {
  return JSON.stringify(value, (_name, each: unknown) => (isRecord(each) ? sorted(each) : each));
}

function sorted(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
