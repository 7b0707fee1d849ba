/** The facts of a JPEG's header. */
export interface JpegHeader {
  /** Pixels as stored; width and height are swapped for display where `orientation` is 5 to 8. */
  width: number;
  height: number;
  /** The Exif orientation, as cameras and phones write it: 1 upright, 2 to 8 mirrored or turned. */
  orientation: number;
}

/** One step of a walk through a JPEG's segments. */
export type Step =
  /** A segment; `start` to `end` are its contents. */
  | { kind: 'segment'; marker: number; start: number; end: number }
  /** The end of the file, exclusive. */
  | { kind: 'end'; at: number }
  /** More bytes are needed. */
  | { kind: 'more' }
  /** Bytes at `at` that no JPEG may have there. */
  | { kind: 'broken'; at: number };

const FILL = 0xff;
const EXIF = Buffer.from('Exif\0\0', 'latin1');
const ORIENTATION = 0x0112;

export const START_OF_IMAGE = 0xd8;
export const END_OF_IMAGE = 0xd9;
export const START_OF_SCAN = 0xda;
const EXIF_SEGMENT = 0xe1;

/**
 * The segment at `at` or after it. Any number of fill bytes (0xFF) may precede a marker, and some markers stand alone
 * (ITU-T T.81, B.1.1); stray bytes are skipped, as decoders do.
 */
export function nextSegment(data: Buffer, at: number): Step {
  for (let mark = data.indexOf(FILL, at); mark >= 0; mark = data.indexOf(FILL, mark + 1)) {
    const before = mark;
    while (data[mark + 1] === FILL) mark++;
    const name = data[mark + 1];
    if (name === undefined) return { kind: 'more' };
    if (name === 0) continue;
    if (name === START_OF_IMAGE) return { kind: 'broken', at: mark };
    const start = mark + 2;
    if (name === END_OF_IMAGE) return { kind: 'end', at: start };
    if (standsAlone(name)) return { kind: 'segment', marker: name, start, end: start };
    if (start + 2 > data.length) return { kind: 'more' };
    const length = data.readUInt16BE(start);
    return length < 2 ? { kind: 'broken', at: before + 1 } : { kind: 'segment', marker: name, start: start + 2, end: start + length };
  }
  return { kind: 'more' };
}

/** The end of the scan data at `at`: the next marker that is not part of it, or -1 if that has not arrived. */
export function endOfScan(data: Buffer, at: number): number {
  for (let mark = data.indexOf(FILL, at); mark >= 0; mark = data.indexOf(FILL, mark + 1)) {
    let next = mark + 1;
    while (data[next] === FILL) next++;
    if (next >= data.length) return -1;
    if (data[next] !== 0 && !isRestart(data[next])) return mark;
    mark = next - 1;
  }
  return -1;
}

/** Reads a JPEG's header without decoding it; undefined when it has no header, or one without a size. */
export function jpegHeader(data: Buffer): JpegHeader | undefined {
  let orientation: number | undefined;
  for (let step = nextSegment(data, 2); step.kind === 'segment' && step.end <= data.length; step = nextSegment(data, step.end)) {
    const { marker, start, end } = step;
    if (marker === EXIF_SEGMENT) orientation ??= exifOrientation(data.subarray(start, end));
    if (isFrame(marker) && end - start >= 5) {
      const [height, width] = [data.readUInt16BE(start + 1), data.readUInt16BE(start + 3)];
      return width > 0 && height > 0 ? { width, height, orientation: orientation ?? 1 } : undefined;
    }
    if (marker === START_OF_SCAN) return undefined;
  }
  return undefined;
}

/** The size of a JPEG once turned upright, pixels; undefined when it has no header. */
export function jpegSize(data: Buffer): { width: number; height: number } | undefined {
  const header = jpegHeader(data);
  if (!header) return undefined;
  const { width, height, orientation } = header;
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/** A frame header: C0 to CF without the tables (C4, CC) and a reserved one (C8). */
export function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Markers without a length: restart markers, which stand within a scan, and TEM. */
export function standsAlone(marker: number): boolean {
  return marker === 0x01 || isRestart(marker);
}

function isRestart(marker: number): boolean {
  return marker >= 0xd0 && marker <= 0xd7;
}

/** The orientation in the contents of an APP1 segment; undefined where there is no valid one. */
function exifOrientation(app1: Buffer): number | undefined {
  if (!app1.subarray(0, EXIF.length).equals(EXIF)) return undefined;
  const tiff = app1.subarray(EXIF.length);
  if (tiff.length < 8) return undefined;
  const isLittle = tiff.toString('latin1', 0, 2) === 'II';
  const short = (at: number): number => (at + 2 > tiff.length ? 0 : isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  for (let entry = 0; entry < short(directory); entry++) {
    const at = directory + 2 + 12 * entry;
    if (at + 12 > tiff.length) return undefined;
    if (short(at) !== ORIENTATION) continue;
    const value = short(at + 8);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return undefined;
}
