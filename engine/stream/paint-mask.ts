import type { LatentShape } from '../diffusion/latent';
import { blurred } from '../image/control/blur';
import { luminance } from '../image/control/plane';
import type { RawImage } from '../types';

/** The part of a frame that is denoised. */
export interface PaintMask {
  /** For each pixel, 0 (stays as in the incoming picture) to 255 (is denoised). */
  pixels: Uint8Array;
  /** The mean over the pixels of each latent position, 0..1, [h, w]. */
  latent: Float32Array;
}

/**
 * A mask from a picture that is white where the frame is denoised; undefined where all of it is white.
 *
 * @param picture of the stream's size
 * @param feather the standard deviation of the soft border, pixels. The border is inside the white area, so that black stays black.
 */
export function paintMask(picture: RawImage, feather: number, shape: LatentShape): PaintMask | undefined {
  const mask = luminance(picture);
  if (mask.data.every((value) => value === 255)) return undefined;
  const pixels = feather > 0 ? feathered(mask.data, blurred(mask, feather).data) : mask.data;
  return { pixels, latent: means(pixels, picture.width, shape) };
}

/** The denoised picture where the mask is white, the incoming one where it is black; both have the same size. */
export function composed(painted: RawImage, incoming: RawImage, { pixels }: PaintMask): RawImage {
  const data = new Uint8Array(painted.data.length);
  for (let pixel = 0, at = 0; pixel < pixels.length; pixel++) {
    const share = pixels[pixel];
    for (let end = at + 3; at < end; at++) {
      data[at] = (share * painted.data[at] + (255 - share) * incoming.data[at]) / 255 + 0.5;
    }
  }
  return { ...painted, data };
}

/** Two latents [C, h, w] combined: the denoised one where the mask is white, the incoming one where it is black. */
export function composedLatent(painted: Float32Array, incoming: Float32Array, { latent: shares }: PaintMask): Float32Array {
  return painted.map((value, k) => incoming[k] + shares[k % shares.length] * (value - incoming[k]));
}

/** Keeps the inner half of a blurred border, rescaled to 0..1: blur spreads a border to both sides. */
function feathered(mask: Uint8Array, soft: Uint8Array): Uint8Array {
  const out = new Uint8Array(mask.length);
  for (let at = 0; at < out.length; at++) out[at] = (mask[at] * Math.max(0, 2 * soft[at] - 255)) / 255 + 0.5;
  return out;
}

function means(pixels: Uint8Array, width: number, shape: LatentShape): Float32Array {
  const side = width / shape.width;
  const out = new Float32Array(shape.width * shape.height);
  for (let row = 0, at = 0; row < shape.height; row++) {
    for (let column = 0; column < shape.width; column++, at++) {
      let sum = 0;
      for (let y = row * side; y < (row + 1) * side; y++) {
        for (let x = column * side; x < (column + 1) * side; x++) sum += pixels[y * width + x];
      }
      out[at] = sum / (255 * side * side);
    }
  }
  return out;
}
