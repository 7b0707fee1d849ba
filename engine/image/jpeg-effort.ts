import { END_OF_IMAGE, isFrame, START_OF_IMAGE, START_OF_SCAN, standsAlone } from './jpeg-header';

/** The work that a JPEG makes for a decoder. */
export interface JpegEffort {
  width: number;
  height: number;
  /** Passes over all pixels: 1 for most files, about 10 for a progressive one. */
  scans: number;
}

/** The number of 0xFF bytes that are examined even in the smallest file; about one byte in 256 of a picture's data is one. */
const MOST_STEPS = 100_000;

/**
 * Reads from a JPEG's markers how much work it is, without decoding it; undefined when it has no frame header.
 * A file of thousands of nearly empty scans is small, but each scan goes over the whole picture.
 * Counting stops at more than `most` scans, or at more 0xFF bytes than a picture has.
 * Markers are found as decoders find them: 0xFF fill bytes before one and stray bytes between two are skipped.
 */
export function jpegEffort(file: Uint8Array, most = Infinity): JpegEffort | undefined {
  const data = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  let frame: (JpegEffort & { components: number; isProgressive: boolean }) | undefined;
  let scans = 0;
  const budget = { steps: MOST_STEPS + data.length / 32 };
  for (let at = nextMarker(data, 2, budget); at !== -1 && scans <= most; at = nextMarker(data, at, budget)) {
    const marker = data[at];
    if (marker === END_OF_IMAGE) break;
    if (marker === START_OF_IMAGE || standsAlone(marker)) continue;
    if (at + 9 > data.length) break;
    if (isFrame(marker)) {
      const isProgressive = (marker & 0b11) === 2;
      frame = { height: data.readUInt16BE(at + 4), width: data.readUInt16BE(at + 6), components: data[at + 8], scans: 0, isProgressive };
    } else if (marker === START_OF_SCAN) {
      scans++;
      // The one scan holds everything, so decoders do not look for another one.
      if (scans === 1 && frame && !frame.isProgressive && data[at + 3] === frame.components) break;
    }
    at += 1 + data.readUInt16BE(at + 1);
  }
  return frame && { width: frame.width, height: frame.height, scans: budget.steps > 0 ? scans : Infinity };
}

/** The position of the next marker's second byte, from `from` on; -1 when there is none. */
function nextMarker(data: Buffer, from: number, budget: { steps: number }): number {
  let at = from;
  do {
    at = data.indexOf(0xff, at);
    if (at === -1 || budget.steps-- <= 0) return -1;
    while (data[at] === 0xff) at++;
    // Within a scan, 0xFF is followed by 0.
  } while (data[at] === 0);
  return at < data.length ? at : -1;
}
