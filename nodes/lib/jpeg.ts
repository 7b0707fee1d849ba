import { readFile } from 'node:fs/promises';
import { open, sharp, undecodable } from '../../engine/image/codec';
import { EngineError } from '../../engine/errors';
import { toPicture, type Picture } from '../../engine/image/picture';

/** Draws an SVG and returns it as JPEG; off the event loop. */
export async function svgToJpeg(svg: string, quality: number): Promise<Buffer> {
  return sharp()(Buffer.from(svg)).jpeg({ quality }).toBuffer();
}

/**
 * A picture file as JPEG of exactly `width` × `height` pixels: turned upright, cropped to fill, transparency on black.
 * Rejects with EBADFRAME, naming the file.
 */
export async function fileToJpeg(path: string, width: number, height: number, quality: number): Promise<Buffer> {
  try {
    const picture = toPicture(await readFile(path));
    return await open(picture).resize(width, height, { fit: 'cover' }).jpeg({ quality }).toBuffer();
  } catch (thrown) {
    throw new EngineError('EBADFRAME', `${path}: ${undecodable(thrown).message}`, { cause: thrown });
  }
}

/** Whether these bytes begin like a JPEG file. */
export function isJpeg(data: Uint8Array): boolean {
  return data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff;
}

/**
 * Any picture as JPEG in its own size. A JPEG comes back as it is, without a copy.
 * Rejects with EBADFRAME.
 */
export async function toJpeg(picture: Picture, quality: number): Promise<Buffer> {
  const { data } = picture;
  if (picture.kind === 'encoded' && isJpeg(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    return await open(picture).jpeg({ quality }).toBuffer();
  } catch (thrown) {
    throw undecodable(thrown);
  }
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
