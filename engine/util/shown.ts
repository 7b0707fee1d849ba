/**
 * A text from somewhere else (a model file, a server, a config) as it may stand in a message, a log or a terminal: in one
 * line, without control characters and what turns writing around, and no longer than `most` characters.
 */
export function shown(text: string, most = 200): string {
  // Cut before it is looked at: it may have megabytes.
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return short.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** What a value of a config is: numbers and words as they are, of everything else its kind alone, since the file may be another than was meant. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'string') return /^[\w.-]{0,16}$/.test(value) ? `"${value}"` : `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : `an ${typeof value}`;
}
