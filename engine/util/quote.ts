/** The most characters that an error message shows of a value. */
const MOST = 60;

/**
 * A value as a message shows it, in at most about 60 characters, whatever it is and however large: nothing of it is
 * called, and a list or object is named by its size.
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

/** A text of at most so many characters; what was cut off is told by its length. */
export function shorten(text: string, most = MOST): string {
  if (text.length <= most) return text;
  // Not between the halves of a character beyond the basic plane.
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]) ? most - 1 : most;
  return `${text.slice(0, end)}… (${text.length} characters)`;
}

/** A short list of numbers is shown, any other one named by its length. */
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

/** What a typed array is called, whatever its own properties say. */
const TYPED_ARRAY_NAME = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get as (
  this: ArrayBufferView,
) => unknown;

/** Of the kinds of views there are; a class may be called anything. */
function nameOf(value: ArrayBufferView): string {
  if (Buffer.isBuffer(value)) return 'a Buffer';
  return value instanceof DataView ? 'a DataView' : `a ${TYPED_ARRAY_NAME.call(value) as string}`;
}

/**
 * A text from somewhere else (a model file, a server, a config) as it may stand in a message, a log or a terminal: in one
 * line, without control characters and what turns writing around, and no longer than `most` characters.
 */
export function printable(text: string, most = 200): string {
  // Cut before it is looked at: it may have megabytes.
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return inOneLine(short);
}

/** Without control characters, ends of lines and what turns writing around. */
function inOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** What a value of a config is: numbers and words as they are, of everything else its kind alone, since the file may be another than was meant. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'string') return /^[\w.-]{0,16}$/.test(value) ? `"${value}"` : `a text of ${value.length} characters`;
  return Array.isArray(value) ? `a list of ${value.length}` : `an ${typeof value}`;
}
