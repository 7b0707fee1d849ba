import type { RawImage } from '../types';
import type { PixelRange } from './brightness';
import type { Picture } from './picture';

/** The value of each byte for a net. */
export const UNITS: Record<PixelRange, Float32Array> = {
  '-1..1': Float32Array.from({ length: 256 }, (_, value) => (value / 255) * 2 - 1),
  '0..1': Float32Array.from({ length: 256 }, (_, value) => value / 255),
};

/** Turns interleaved bytes into the planes that nets take, [3, H, W]. */
export function toTensor({ data, width, height }: RawImage, range: PixelRange = '-1..1'): Float32Array {
  return toPlanes(data, UNITS[range], new Float32Array(3 * width * height));
}

/**
 * Turns interleaved bytes into planes, [3, H, W], each byte by a table of 256 values.
 *
 * @param planes receives the values
 */
export function toPlanes<T extends Float32Array | Uint16Array>(bytes: Uint8Array, table: T, planes: T): T {
  const plane = planes.length / 3;
  for (let pixel = 0, byte = 0; pixel < plane; pixel++, byte += 3) {
    planes[pixel] = table[bytes[byte]];
    planes[plane + pixel] = table[bytes[byte + 1]];
    planes[2 * plane + pixel] = table[bytes[byte + 2]];
  }
  return planes;
}

/** Turns planes [3, H, W] of 16-bit patterns into interleaved bytes, each by a table of 65,536 values. */
export function toInterleaved(planes: Uint16Array, table: Uint8Array): Uint8Array {
  const plane = planes.length / 3;
  const bytes = new Uint8Array(planes.length);
  for (let pixel = 0, byte = 0; pixel < plane; pixel++, byte += 3) {
    bytes[byte] = table[planes[pixel]];
    bytes[byte + 1] = table[planes[plane + pixel]];
    bytes[byte + 2] = table[planes[2 * plane + pixel]];
  }
  return bytes;
}

/** Turns planes [3, H, W] into interleaved bytes: the range becomes 0..255, rounded half up; values beyond it are clamped. */
export function toImage(pixels: Float32Array, width: number, height: number, range: PixelRange = '-1..1'): RawImage {
  const plane = width * height;
  const [gain, offset] = range === '-1..1' ? [127.5, 128] : [255, 0.5];
  const data = new Uint8Array(3 * plane);
  for (let pixel = 0, byte = 0; pixel < plane; pixel++) {
    data[byte++] = toByte(pixels[pixel] * gain + offset);
    data[byte++] = toByte(pixels[plane + pixel] * gain + offset);
    data[byte++] = toByte(pixels[2 * plane + pixel] * gain + offset);
  }
  return { data, width, height, channels: 3 };
}

/** The brightness of a net's value, 0..255, not yet rounded down. */
export function brightness(value: number, range: PixelRange): number {
  return toByte(range === '-1..1' ? value * 127.5 + 128 : value * 255 + 0.5);
}

/** NaN gives 0, as every conversion to a byte array does. */
function toByte(scaled: number): number {
  return scaled <= 0 ? 0 : Math.min(scaled, 255);
}

/** The most pixels that are sampled along each side: enough to average noise out, and as quick for large pictures as for small ones. */
const SAMPLES = 256;

/**
 * Colours of size × size fields of a raw picture of any kind, transparency on black: interleaved RGB in -1..1. Takes well
 * under a millisecond, so it can be done at once, while the bytes are still those of the message.
 */
export function sampleThumbnail({ data, width, height, channels, isBgr }: Picture & { kind: 'raw' }, size = 32): Float32Array {
  const out = new Float32Array(3 * size * size);
  const [red, green, blue] = channels === 1 ? [0, 0, 0] : isBgr ? [2, 1, 0] : [0, 1, 2];
  const rows = fieldsOf(height, size);
  const columns = fieldsOf(width, size);
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at += 3) {
      const weight = 1 / (127.5 * rows[row].length * columns[column].length);
      for (const y of rows[row]) {
        for (const x of columns[column]) {
          const pixel = (y * width + x) * channels;
          const opacity = channels === 4 ? (weight * data[pixel + 3]) / 255 : weight;
          out[at] += opacity * data[pixel + red];
          out[at + 1] += opacity * data[pixel + green];
          out[at + 2] += opacity * data[pixel + blue];
        }
      }
    }
  }
  return out.map((value) => value - 1);
}

/** The lines of `length` that are sampled for each of `size` fields; at least one. */
function fieldsOf(length: number, size: number): number[][] {
  return Array.from({ length: size }, (_, field) => {
    const from = Math.floor((field * length) / size);
    const lines = Math.max(1, Math.floor(((field + 1) * length) / size) - from);
    const count = Math.min(lines, Math.ceil(SAMPLES / size));
    return Array.from({ length: count }, (_, k) => from + Math.floor(((k + 0.5) * lines) / count));
  });
}

/** Mean colours of size × size fields, interleaved RGB in -1..1, for comparing pictures. */
export function toThumbnail({ data, width, height }: RawImage, size = 32): Float32Array {
  const sums = new Float32Array(3 * size * size);
  const counts = new Float32Array(size * size);
  for (let y = 0, byte = 0; y < height; y++) {
    const row = Math.floor((y * size) / height) * size;
    for (let x = 0; x < width; x++) {
      const field = row + Math.floor((x * size) / width);
      counts[field]++;
      for (let c = 0; c < 3; c++) sums[3 * field + c] += data[byte++];
    }
  }
  return sums.map((sum, k) => (counts[Math.floor(k / 3)] > 0 ? sum / counts[Math.floor(k / 3)] / 127.5 - 1 : 0));
}
