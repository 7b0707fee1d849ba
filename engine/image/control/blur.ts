import type { RawImage } from '../../types';
import type { Plane } from './plane';

/** Three boxes in a row can hardly be told from a Gaussian. */
const PASSES = 3;
const ONE = 2 ** 24;

/**
 * A Gaussian blur by three box blurs whose width need not be whole: Gwosdek et al., "Theoretical foundations of Gaussian
 * convolution by extended box filtering", 2011. Gives the same numbers as Pillow's `GaussianBlur`, which the control branch
 * was trained with. Border pixels are repeated beyond the border. The time does not depend on the radius.
 *
 * @param radius standard deviation, pixels; 0 changes nothing
 */
export function blurred({ data, width, height }: Plane, radius: number): Plane {
  if (radius <= 0) return { data: new Uint8Array(data), width, height };
  const box = boxOf(radius);
  // Each call transposes the picture.
  const across = blurRows(data, width, height, box);
  return { data: blurRows(across, height, width, box), width, height };
}

/** The same blur for a coloured picture. */
export function blurredImage(image: RawImage, radius: number): RawImage {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let channel = 0; channel < 3; channel++) {
    const plane = new Uint8Array(width * height);
    for (let pixel = 0, byte = channel; pixel < plane.length; pixel++, byte += 3) plane[pixel] = image.data[byte];
    const soft = blurred({ data: plane, width, height }, radius).data;
    for (let pixel = 0, byte = channel; pixel < plane.length; pixel++, byte += 3) data[byte] = soft[pixel];
  }
  return { data, width, height, channels: 3 };
}

/** A box that covers 2 · reach + 1 pixels fully and one more on each side in part; weights in parts of ONE. */
interface Box {
  reach: number;
  whole: number;
  part: number;
}

/** The box of which PASSES in a row have this standard deviation; formulas 7, 11 and 14 of the article. */
function boxOf(deviation: number): Box {
  const variance = deviation ** 2 / PASSES;
  const reach = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const share = ((2 * reach + 1) * (reach * (reach + 1) - 3 * variance)) / (6 * (variance - (reach + 1) ** 2));
  // Pillow divides in single precision.
  const whole = Math.trunc(Math.fround(ONE / Math.fround(2 * (reach + share) + 1)));
  return { reach, whole, part: Math.floor((ONE - (2 * reach + 1) * whole) / 2) };
}

/** Blurs every row. Returns the columns of the result as rows. */
function blurRows(data: Uint8Array, width: number, height: number, box: Box): Uint8Array {
  const margin = box.reach + 1;
  const out = new Uint8Array(data.length);
  const line = new Uint8Array(width + 2 * margin);
  const blurredLine = new Uint8Array(width);
  for (let row = 0; row < height; row++) {
    line.set(data.subarray(row * width, (row + 1) * width), margin);
    for (let pass = 0; pass < PASSES; pass++) {
      if (pass > 0) line.set(blurredLine, margin);
      line.fill(line[margin], 0, margin).fill(line[margin + width - 1], margin + width);
      blurLine(line, blurredLine, box);
    }
    for (let x = 0, to = row; x < width; x++, to += height) out[to] = blurredLine[x];
  }
  return out;
}

/** @param line with reach + 1 pixels more on either side */
function blurLine(line: Uint8Array, out: Uint8Array, { reach, whole, part }: Box): void {
  const span = 2 * reach + 1;
  let sum = 0;
  for (let k = 0; k < span; k++) sum += line[k];
  for (let x = 0; x < out.length; x++) {
    const left = line[x];
    sum += line[x + span] - left;
    out[x] = (sum * whole + (left + line[x + span + 1]) * part + ONE / 2) * (1 / ONE);
  }
}
