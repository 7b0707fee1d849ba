import { types } from 'node:util';
import { EngineError } from '../errors';
import { quote } from '../util/quote';
import { jpegEffort } from './jpeg-effort';
import { layoutOf } from './raw-layout';

/** A picture as it crosses a process border: an encoded file, or raw interleaved bytes. */
export type Picture =
  | { kind: 'encoded'; data: Uint8Array }
  /** `isBgr`: blue comes first and red third. */
  | { kind: 'raw'; data: Uint8Array; width: number; height: number; channels: 1 | 3 | 4; isBgr?: true };

/** No camera or film frame is larger, but a wrong file may be. */
export const maxBytes = 64 * 1024 * 1024;
/** A frame of 8K video has 33 megapixels. */
export const maxPixels = 64 * 1024 * 1024;
/** Encoders of progressive JPEGs use 6 to 20 scans. */
const maxScans = 100;
/** Scans × pixels: about 0.2 s of decoding on a current CPU, however small the file is. */
const maxEffort = 1e9;

/**
 * Reads a message's payload as a picture: the bytes of a JPEG, PNG, WebP, AVIF, GIF or TIFF file (a Buffer, one that went
 * through JSON, the pieces of one in a list, base64 or a data URI), a raw picture `{ data, width, height, channels,
 * colorSpace }` or Jimp's `{ bitmap }`. A Buffer is neither copied nor decoded, so only the codec finds out that a file is
 * torn. Throws EBADFRAME for everything else.
 */
export function toPicture(payload: unknown): Picture {
  try {
    return read(payload);
  } catch (thrown) {
    // A foreign object may do anything when its properties are read.
    throw EngineError.from(thrown, 'EBADFRAME', 'no picture: it cannot be looked at: ');
  }
}

function read(payload: unknown): Picture {
  if (types.isUint8Array(payload)) return encoded(ofThisRealm(payload));
  if (typeof payload === 'string') return encoded(bytesOf(payload));
  if (isInPieces(payload)) return encoded(joined(payload));
  if (isObject(payload)) {
    if (isObject(payload.bitmap)) return raw({ channels: 4, ...payload.bitmap });
    if (isJsonBuffer(payload) && payload.width === undefined) return encoded(bytesOfJson(payload));
    if ('data' in payload) return raw(payload);
  }
  throw bad(`no picture: ${quote(payload)}; expected a Buffer with an encoded picture, { data, width, height, channels } or base64`);
}

/** A copy, for keeping a picture beyond its message: its sender may reuse the same bytes. */
export function copyOf(picture: Picture): Picture {
  return { ...picture, data: Uint8Array.from(picture.data) };
}

/** Copies of several pictures, by name. */
export function copiesOf(pictures: Record<string, Picture>): Record<string, Picture> {
  return Object.fromEntries(Object.entries(pictures).map(([name, picture]) => [name, copyOf(picture)]));
}

/** A picture as a payload that {@link toPicture} takes. */
export function payloadOf(picture: Picture): unknown {
  const data = Buffer.from(picture.data.buffer, picture.data.byteOffset, picture.data.byteLength);
  if (picture.kind === 'encoded') return data;
  const { width, height, channels, isBgr } = picture;
  return { data, width, height, channels, ...(isBgr && { colorSpace: channels === 4 ? 'BGRA' : 'BGR' }) };
}

/** Whether both have the same bytes and layout. */
export function isSamePicture(a: Picture, b: Picture): boolean {
  if (a.kind === 'raw' && b.kind === 'raw' && (a.width !== b.width || a.channels !== b.channels || a.isBgr !== b.isBgr)) return false;
  return a.kind === b.kind && Buffer.compare(a.data, b.data) === 0;
}

/** Whether decoding is always so quick that nothing has to be able to end it: raw pixels, and JPEGs as cameras send them. */
export function isQuick(picture: Picture): boolean {
  if (picture.kind === 'raw') return true;
  const effort = isJpeg(picture.data) ? jpegEffort(picture.data, maxScans) : undefined;
  return effort !== undefined && effort.width * effort.height * Math.max(1, effort.scans) <= maxEffort / 10;
}

/** Whether decoding takes milliseconds, as far as the first bytes tell: {@link isQuick} pictures, and PNGs of up to 4 megapixels. */
export function isLight(picture: Picture): boolean {
  if (isQuick(picture)) return true;
  const { data } = picture;
  const isPng = data[0] === 0x89 && data.length >= 24;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return isPng && view.getUint32(16) * view.getUint32(20) <= 4e6;
}

/** Whether these bytes begin like a JPEG file. */
export function isJpeg(data: Uint8Array): boolean {
  return data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff;
}

function encoded(data: Uint8Array): Picture {
  if (data.length === 0) throw bad('no picture: an empty Buffer');
  if (data.length > maxBytes) throw bad(`a picture of ${megabytes(data.length)} is over the limit of ${megabytes(maxBytes)}`);
  if (!isKnownFormat(data)) {
    throw bad(
      `no picture: a Buffer of ${data.length} bytes that is none of JPEG, PNG, WebP, AVIF, GIF, TIFF; raw pixels need { data, width, height, channels }`,
    );
  }
  if (isJpeg(data)) checkEffort(data);
  return { kind: 'encoded', data };
}

/** Refuses a JPEG that is made to keep a decoder busy. */
function checkEffort(data: Uint8Array): void {
  const effort = jpegEffort(data, maxScans);
  if (!effort) return; // The codec says what is wrong with it.
  const { width, height, scans } = effort;
  if (width * height > maxPixels) throw bad(`a picture of ${width}×${height} is over the limit of ${maxPixels / 1024 ** 2} megapixels`);
  if (scans > maxScans || scans * width * height > maxEffort) {
    throw bad(
      `a JPEG of ${width}×${height} in ${scans > maxScans ? `more than ${maxScans}` : scans} scans would keep its decoder busy: at most ${maxScans} scans, and ${maxEffort / 1e6} megapixels in all of them together, are decoded`,
    );
  }
}

function raw(picture: Record<string, unknown>): Picture {
  const { width, height } = picture;
  const data = rawBytes(picture.data);
  if (!data) throw bad(`the data of a raw picture must be a Buffer, Uint8Array or Uint8ClampedArray; got ${quote(picture.data)}`);
  if (!isSize(width) || !isSize(height))
    throw bad(`a raw picture needs width and height in whole pixels; got ${quote(width)} and ${quote(height)}`);
  if (width * height > maxPixels) throw bad(`a picture of ${width}×${height} is over the limit of ${maxPixels / 1024 ** 2} megapixels`);
  const { channels, isBgr } = layoutOf(picture, data.length / (width * height));
  const expected = width * height * channels;
  if (data.length !== expected)
    throw bad(`a raw picture of ${width}×${height} with ${channels} channels has ${expected} bytes; got ${data.length}`);
  return { kind: 'raw', data, width, height, channels, ...(isBgr && { isBgr }) };
}

function rawBytes(data: unknown): Uint8Array | undefined {
  if (types.isUint8Array(data)) return ofThisRealm(data);
  if (types.isUint8ClampedArray(data)) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  return isObject(data) && isJsonBuffer(data) ? bytesOfJson(data) : undefined;
}

/** Whether this is a Buffer that went through JSON, over MQTT or a file: `{ type: 'Buffer', data: [255, 216, …] }`. */
function isJsonBuffer(value: Record<string, unknown>): value is { type: 'Buffer'; data: unknown[] } & Record<string, unknown> {
  return value.type === 'Buffer' && Array.isArray(value.data);
}

function bytesOfJson({ data }: { data: unknown[] }): Uint8Array {
  if (data.length > 4 * maxPixels) throw bad(`a list of ${data.length} bytes is over the limit of a picture`);
  const strange = data.findIndex((byte) => !(typeof byte === 'number' && byte >= 0 && byte <= 255 && Number.isInteger(byte)));
  if (strange >= 0) throw bad(`a Buffer as JSON has whole numbers from 0 to 255; number ${strange + 1} is ${quote(data[strange])}`);
  return Uint8Array.from(data as number[]);
}

/** Joins the pieces of one file, as a node that reads in pieces collects them. A list of pictures is not a picture. */
function joined(list: Uint8Array[]): Uint8Array {
  const pieces = list.map(ofThisRealm);
  const pictures = pieces.filter(isKnownFormat).length;
  if (pictures > 1)
    throw bad(`no picture: a list of ${list.length} with ${pictures} pictures; send one after the other, with a Split node`);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > maxBytes) throw bad(`a picture of ${megabytes(length)} is over the limit of ${megabytes(maxBytes)}`);
  return Buffer.concat(pieces);
}

const isInPieces = (value: unknown): value is Uint8Array[] =>
  Array.isArray(value) && value.length > 0 && value.every((piece) => types.isUint8Array(piece));

/** A function node runs in a context of its own: its arrays are not `instanceof Uint8Array` here, as sharp requires. */
function ofThisRealm(data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = data;
  return data instanceof Uint8Array ? data : new Uint8Array(buffer, byteOffset, length);
}

/** The bytes in a base64 text or data URI. A path or URL is never followed. */
function bytesOf(text: string): Uint8Array {
  const comma = text.startsWith('data:') ? text.indexOf(',') : -1;
  if (comma >= 0 && !text.slice(0, comma).endsWith(';base64')) throw bad('a data URI must be base64');
  if ((text.length - comma) * 0.75 > maxBytes) throw bad(`a text of ${megabytes(text.length)} is over the limit of a picture`);
  // Decoding skips characters that are not base64, so any text gives some bytes; only a picture's begin like a picture.
  if (!isKnownFormat(Buffer.from(text.slice(comma + 1, comma + 33), 'base64'))) {
    throw bad(`no picture: the text ${quote(text)}; a picture as text is base64 or a data URI, never a path or URL`);
  }
  return Buffer.from(text.slice(comma + 1), 'base64');
}

/** Whether a file starts like one of the known formats. */
function isKnownFormat(data: Uint8Array): boolean {
  const has = (at: number, ...bytes: (number | string)[]): boolean =>
    bytes.every((byte, i) => data[at + i] === (typeof byte === 'string' ? byte.charCodeAt(0) : byte));
  return (
    isJpeg(data) ||
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
