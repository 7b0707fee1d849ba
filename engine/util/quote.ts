/** The most characters that an error message shows of a value. */
const MOST = 60;

/**
 * A value for a message, in about 60 characters at most, whatever it is and however large: no method of it is called, and a list
 * or object is described by its size.
 */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(inOneLine(shorten(value)));
  if (typeof value === 'bigint') return shorten(value.toString());
  if (typeof value === 'symbol' || typeof value === 'function') return `a ${typeof value}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return ofList(value);
  if (ArrayBuffer.isView(value)) return `${nameOf(value)} of ${value.byteLength} bytes`;
  return ofObject(value);
}

/** A text cut to at most `most` characters, with its full length. */
export function shorten(text: string, most = MOST): string {
  if (text.length <= most) return text;
  // A surrogate pair is not split.
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]) ? most - 1 : most;
  return `${text.slice(0, end)}… (${text.length} characters)`;
}

/** Shows a short list of numbers; describes any other list by its length. */
function ofList(list: unknown[]): string {
  const isShort = list.length > 0 && list.length <= 8 && list.every((item) => typeof item === 'number');
  return isShort ? `[${list.join(', ')}]` : `an array of ${list.length}`;
}

function ofObject(value: object): string {
  const names: string[] = [];
  for (const name in value) {
    if (names.length === 5) {
      names.push('…');
      break;
    }
    names.push(shorten(name, 20));
  }
  return `an object with ${names.join(', ') || 'nothing in it'}`;
}

/** The true name of a typed array, whatever its own properties say. */
const TYPED_ARRAY_NAME = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get as (
  this: ArrayBufferView,
) => unknown;

/** The built-in name of a view; a subclass may have any name. */
function nameOf(value: ArrayBufferView): string {
  if (Buffer.isBuffer(value)) return 'a Buffer';
  return value instanceof DataView ? 'a DataView' : `a ${TYPED_ARRAY_NAME.call(value) as string}`;
}

/**
 * A foreign text (from a model file, a server, a config) made safe for a message, a log or a terminal: in one line, without
 * control characters and bidirectional overrides, and of at most `most` characters.
 */
export function printable(text: string, most = 200): string {
  // Cut before it is processed, since it may have megabytes.
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return inOneLine(short);
}

/** The text without control characters, line breaks and bidirectional overrides. */
function inOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** Describes a value of a config: numbers and words are shown, everything else only by its kind, since the file may be a private one. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'string') return /^[\w.-]{0,16}$/.test(value) ? `"${value}"` : `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : `an ${typeof value}`;
}
