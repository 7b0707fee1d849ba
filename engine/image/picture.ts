import { types } from 'node:util';
import { EngineError } from '../errors';

/** A picture as it crosses a process border: an encoded file, or raw interleaved bytes. */
export type Picture =
  | { kind: 'encoded'; data: Uint8Array }
  | { kind: 'raw'; data: Uint8Array; width: number; height: number; channels: 1 | 3 | 4 };

/** No camera or film frame is larger, but a wrong file may be. */
const maxBytes = 64 * 1024 * 1024;
/** 8K video has 33 megapixels. */
export const maxPixels = 64 * 1024 * 1024;

/**
 * A message's payload as a picture: the bytes of a JPEG, PNG, WebP, AVIF, GIF or TIFF file (a Buffer, base64 or a data
 * URI), a raw picture `{ data, width, height, channels }` or Jimp's `{ bitmap }`. It only looks: a Buffer is neither
 * copied nor decoded, so that a torn file is found by the codec. Throws EBADFRAME for everything else.
 */
export function toPicture(payload: unknown): Picture {
  if (types.isUint8Array(payload)) return encoded(ofThisRealm(payload));
  if (typeof payload === 'string') return encoded(bytesOf(payload));
  if (isObject(payload)) {
    if (isObject(payload.bitmap)) return raw({ channels: 4, ...payload.bitmap });
    if ('data' in payload) return raw(payload);
  }
  throw bad(
    `no picture: ${describe(payload)}; wanted is a Buffer with an encoded picture, { data, width, height, channels } or base64`,
  );
}

/** Whether both have the same bytes and layout. */
export function isSamePicture(a: Picture, b: Picture): boolean {
  if (a.kind === 'raw' && b.kind === 'raw' && (a.width !== b.width || a.channels !== b.channels)) return false;
  return a.kind === b.kind && Buffer.compare(a.data, b.data) === 0;
}

function encoded(data: Uint8Array): Picture {
  if (data.length === 0) throw bad('no picture: an empty Buffer');
  if (data.length > maxBytes) throw bad(`a picture of ${megabytes(data.length)} is over the limit of ${megabytes(maxBytes)}`);
  if (!isKnownFormat(data)) {
    throw bad(
      `no picture: a Buffer of ${data.length} bytes that is none of JPEG, PNG, WebP, AVIF, GIF, TIFF; raw pixels need { data, width, height, channels }`,
    );
  }
  return { kind: 'encoded', data };
}

function raw(picture: Record<string, unknown>): Picture {
  const { width, height } = picture;
  const data = rawBytes(picture.data);
  if (!data)
    throw bad(`the data of a raw picture must be a Buffer, Uint8Array or Uint8ClampedArray; got ${describe(picture.data)}`);
  if (!isSize(width) || !isSize(height))
    throw bad(`a raw picture needs width and height in whole pixels; got ${describe(width)} and ${describe(height)}`);
  if (width * height > maxPixels)
    throw bad(`a picture of ${width}×${height} is over the limit of ${maxPixels / 1024 ** 2} megapixels`);
  const channels = picture.channels ?? data.length / (width * height);
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw bad(
      `a raw picture has 1, 3 or 4 channels; got ${describe(channels)} for ${width}×${height} pixels in ${data.length} bytes`,
    );
  }
  const expected = width * height * channels;
  if (data.length !== expected)
    throw bad(`a raw picture of ${width}×${height} with ${channels} channels has ${expected} bytes; got ${data.length}`);
  return { kind: 'raw', data, width, height, channels };
}

function rawBytes(data: unknown): Uint8Array | undefined {
  if (types.isUint8Array(data)) return ofThisRealm(data);
  if (types.isUint8ClampedArray(data)) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  return undefined;
}

/** A function node runs in a context of its own: what it makes is no `instanceof Uint8Array` here, which sharp asks. */
function ofThisRealm(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = data;
  return data instanceof Uint8Array ? data : new Uint8Array(buffer, byteOffset, length);
}

/** The bytes in a base64 text or data URI. A path or URL is never followed. */
function bytesOf(text: string): Uint8Array {
  const comma = text.startsWith('data:') ? text.indexOf(',') : -1;
  if (comma >= 0 && !text.slice(0, comma).endsWith(';base64')) throw bad('a data URI must be base64');
  if ((text.length - comma) * 0.75 > maxBytes) throw bad(`a text of ${megabytes(text.length)} is over the limit of a picture`);
  // Decoding skips what is not base64, so any text gives some bytes; only a picture's begin like a picture.
  if (!isKnownFormat(Buffer.from(text.slice(comma + 1, comma + 33), 'base64'))) {
    throw bad(`no picture: the text ${excerpt(text)}; a picture as text is base64 or a data URI, never a path or URL`);
  }
  return Buffer.from(text.slice(comma + 1), 'base64');
}

/** Whether a file starts as one of the formats does. */
function isKnownFormat(data: Uint8Array): boolean {
  const has = (at: number, ...bytes: (number | string)[]): boolean =>
    bytes.every((byte, i) => data[at + i] === (typeof byte === 'string' ? byte.charCodeAt(0) : byte));
  return (
    has(0, 0xff, 0xd8, 0xff) || // JPEG
    has(0, 0x89, 'P', 'N', 'G') ||
    (has(0, 'R', 'I', 'F', 'F') && has(8, 'W', 'E', 'B', 'P')) ||
    (has(4, 'f', 't', 'y', 'p') && (has(8, 'a', 'v', 'i') || has(8, 'm', 'i', 'f', '1') || has(8, 'm', 's', 'f', '1'))) || // AVIF
    has(0, 'G', 'I', 'F', '8') ||
    has(0, 'I', 'I', 42, 0) || // TIFF, little-endian
    has(0, 'M', 'M', 0, 42)
  );
}

const bad = (message: string): EngineError => new EngineError('EBADFRAME', message);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isSize = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
const excerpt = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

function describe(value: unknown): string {
  if (typeof value === 'string') return excerpt(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object'
    ? `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing in it'}`
    : `a ${typeof value}`;
}
