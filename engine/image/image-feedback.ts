import type { RawImage } from '../types';

/** How the last picture is transformed about its centre before it is fed back. */
export interface FeedbackMotion {
  /** Above 1 the picture grows. */
  zoom: number;
  /** Degrees, clockwise. */
  rotate: number;
  /** Shift right and down, as parts of its width and height. */
  x: number;
  y: number;
}

/**
 * Lays the transformed last picture over the next one: (1 - amount)·image + amount·last where the last picture reaches, and
 * the image alone elsewhere. Interpolation between pixels is linear.
 *
 * @param last of the same size
 * @param amount 0..1
 */
export function imageFeedback(image: RawImage, last: RawImage, amount: number, { zoom, rotate, x, y }: FeedbackMotion): RawImage {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  const angle = (rotate * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle) / zoom, Math.sin(angle) / zoom];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const from = last.data;
  const rowBytes = 3 * width;
  for (let row = 0, at = 0; row < height; row++) {
    const dy = row - middleY - y * height;
    for (let column = 0; column < width; column++, at += 3) {
      const dx = column - middleX - x * width;
      const sx = cos * dx + sin * dy + middleX;
      const sy = cos * dy - sin * dx + middleY;
      const inside = sx > -0.5 && sy > -0.5 && sx < width - 0.5 && sy < height - 0.5;
      const share = inside ? amount : 0;
      // Beyond the centres of the border pixels, their values continue.
      const [left, top] = [Math.min(Math.max(Math.floor(sx), 0), width - 1), Math.min(Math.max(Math.floor(sy), 0), height - 1)];
      const [partX, partY] = [Math.min(Math.max(sx - left, 0), 1), Math.min(Math.max(sy - top, 0), 1)];
      const corner = top * rowBytes + 3 * left;
      const right = left < width - 1 ? 3 : 0;
      const below = top < height - 1 ? rowBytes : 0;
      for (let c = 0; c < 3; c++) {
        const upper = from[corner + c] + partX * (from[corner + right + c] - from[corner + c]);
        const lower = from[corner + below + c] + partX * (from[corner + below + right + c] - from[corner + below + c]);
        const value = image.data[at + c];
        data[at + c] = value + share * (upper + partY * (lower - upper) - value) + 0.5;
      }
    }
  }
  return { data, width, height, channels: 3 };
}
