import { readFile } from 'node:fs/promises';
import { codecPool } from '../../engine/image/codec-pool';
import { EngineError } from '../../engine/errors';
import { isJpeg, toPicture, type Picture } from '../../engine/image/picture';

export { isJpeg };

/**
 * A picture file as JPEG of exactly `width` × `height` pixels: turned upright, cropped to fill, transparency on black.
 * Rejects with EBADFRAME, naming the file; ENOCODEC.
 */
export async function fileToJpeg(path: string, width: number, height: number, quality: number): Promise<Buffer> {
  try {
    const picture = toPicture(await readFile(path));
    return await codecPool.toJpeg(picture, { quality, size: { width, height, fit: 'cover' } });
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADFRAME', 'the picture cannot be read: ');
    throw new EngineError(code, code === 'EBADFRAME' ? `${path}: ${message}` : message, { cause: thrown });
  }
}

/**
 * Any picture as JPEG in its own size. A JPEG comes back as it is, without a copy.
 * Rejects with EBADFRAME, ENOCODEC.
 */
export async function toJpeg(picture: Picture, quality: number): Promise<Buffer> {
  const { data } = picture;
  if (picture.kind === 'encoded' && isJpeg(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return codecPool.toJpeg(picture, { quality });
}

/** Pixels of a JPEG by its header, without decoding; undefined when it has none. */
export function jpegSize(data: Buffer): { width: number; height: number } | undefined {
  for (let at = 2; at + 9 <= data.length && data[at] === 0xff; at += 2 + data.readUInt16BE(at + 2)) {
    const marker = data[at + 1];
    // The frame header: C0 to CF without the tables (C4, CC) and a reserved one (C8).
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: data.readUInt16BE(at + 5), width: data.readUInt16BE(at + 7) };
  }
  return undefined;
}
