import sharp from 'sharp';
import type { RawImage } from '../../engine';
import type { Picture } from '../../engine/image/picture';

/** A `size` × `size` JPEG of one colour with a square in it. */
export async function jpeg(colour: { r: number; g: number; b: number }, size = 64): Promise<Picture & { kind: 'encoded' }> {
  const square = { create: { width: size / 2, height: size / 2, channels: 3 as const, background: { r: 255, g: 240, b: 200 } } };
  const data = await sharp({ create: { width: size, height: size, channels: 3, background: colour } })
    .composite([{ input: await sharp(square).png().toBuffer(), left: size / 4, top: size / 4 }])
    .jpeg()
    .toBuffer();
  return { kind: 'encoded', data };
}

export async function jpegs(count: number, size = 64): Promise<(Picture & { kind: 'encoded' })[]> {
  return Promise.all(Array.from({ length: count }, (_, k) => jpeg({ r: (k * 40) % 256, g: 90, b: 255 - ((k * 25) % 256) }, size)));
}

/** How alike two pictures are, dB: 40 looks the same, 30 is a little off. */
export function peakSignalToNoise(a: RawImage, b: RawImage): number {
  const squares = a.data.reduce((sum, one, k) => sum + (one - b.data[k]) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.data.length) / squares);
}
