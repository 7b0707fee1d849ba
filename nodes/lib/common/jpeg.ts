import { codecPool } from '../../../engine/image/codec-pool';
import { EngineError } from '../../../engine/errors';
import { jpegHeader } from '../../../engine/image/jpeg-header';
import { isJpeg, maxBytes, toPicture, type Picture } from '../../../engine/image/picture';
import { readBounded } from '../../../engine/util/bounded-file';

export { isJpeg };

/**
 * A picture file as JPEG of exactly `width` × `height` pixels: turned upright, cropped to fill, transparency on black.
 * Rejects with EBADFRAME, naming the file; ENOCODEC.
 */
export async function fileToJpeg(path: string, width: number, height: number, quality: number): Promise<Buffer> {
  try {
    const picture = toPicture(await readBounded(path, maxBytes));
    return await codecPool.toJpeg(picture, { quality, size: { width, height, fit: 'cover' } });
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADFRAME', 'the picture cannot be read: ');
    throw new EngineError(code, code === 'EBADFRAME' ? `${path}: ${message}` : message, { cause: thrown });
  }
}

/**
 * Any picture as an upright JPEG in its own size, since not every player reads Exif. An upright JPEG is returned unchanged,
 * without a copy. Rejects with EBADFRAME, ENOCODEC.
 */
export async function toJpeg(picture: Picture, quality: number): Promise<Buffer> {
  const { data } = picture;
  if (picture.kind === 'encoded' && isJpeg(data)) {
    const jpeg = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (jpegHeader(jpeg)?.orientation === 1) return jpeg;
  }
  return codecPool.toJpeg(picture, { quality });
}
