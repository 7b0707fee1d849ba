import { EngineError } from '../../engine/errors';
import type { Picture } from '../../engine/image/picture';

/** Larger pictures than this many pixels are refused instead of decoded. */
const PIXEL_LIMIT = 64e6;

/** sharp is native: loaded with the first picture, so that a machine where it cannot load still has every node. */
const loadSharp = async () => (await import('sharp')).default;

/** Draws an SVG and returns it as JPEG; off the event loop. */
export async function svgToJpeg(svg: string, quality: number): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp(Buffer.from(svg)).jpeg({ quality }).toBuffer();
}

/**
 * A picture file as JPEG of exactly `width` × `height` pixels: turned upright, cropped to fill, alpha on black.
 * Errors: EBADFRAME.
 */
export async function fileToJpeg(path: string, width: number, height: number, quality: number): Promise<Buffer> {
  const sharp = await loadSharp();
  try {
    return await sharp(path, { limitInputPixels: PIXEL_LIMIT })
      .rotate()
      .resize(width, height, { fit: 'cover' })
      .flatten({ background: '#000' })
      .jpeg({ quality })
      .toBuffer();
  } catch (thrown) {
    throw EngineError.from(thrown, 'EBADFRAME', `${path} cannot be read as a picture: `);
  }
}

/** Whether these bytes begin like a JPEG file. */
export function isJpeg(data: Uint8Array): boolean {
  return data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff;
}

/**
 * Any picture as JPEG in its own size. A JPEG comes back as it is, without a copy.
 * Errors: EBADFRAME.
 */
export async function toJpeg(picture: Picture, quality: number): Promise<Buffer> {
  const { data } = picture;
  if (picture.kind === 'encoded' && isJpeg(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const sharp = await loadSharp();
  const raw = picture.kind === 'raw' ? { width: picture.width, height: picture.height, channels: picture.channels } : undefined;
  try {
    return await sharp(data, { raw, limitInputPixels: PIXEL_LIMIT }).rotate().flatten({ background: '#000' }).jpeg({ quality }).toBuffer();
  } catch (thrown) {
    throw EngineError.from(thrown, 'EBADFRAME', 'the picture cannot be turned into a JPEG: ');
  }
}
