import type { Sharp, SharpOptions } from 'sharp';
import { EngineError } from '../errors';
import type { RawImage } from '../types';
import { maxPixels, type Picture } from './picture';

/** How a picture of other proportions fills a frame: cropped to cover it, contained with black borders, or stretched. */
export type Fit = 'cover' | 'contain' | 'fill';

/** Formats of {@link Picture}, as libvips calls their loaders. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Heif', 'Nsgif', 'Tiff', 'Svg'];
/** A file that is made to be slow must not hold up a thread of the codec for longer than this, s. */
const DECODE_LIMIT = 20;

let library: typeof import('sharp') | undefined;

/** Loaded when the first picture comes: it brings a large binary that a flow without pictures never needs. */
export function sharp(): typeof import('sharp') {
  if (library) return library;
  library = require('sharp') as typeof import('sharp');
  // Every frame is new, so a cache only costs memory. A small picture is not worth more threads than one; pictures of
  // different streams are worked on side by side in libuv's pool anyway.
  library.cache(false);
  library.concurrency(1);
  // Of all that libvips can open a picture from elsewhere may be these; SVG is for pictures that this package draws.
  library.block({ operation: ['VipsForeignLoad'] });
  library.unblock({ operation: LOADERS.map((format) => `VipsForeignLoad${format}`) });
  return library;
}

/**
 * A picture as RGB bytes of exactly width × height: turned as its EXIF says, in sRGB, transparency on black.
 * Off the calling thread. Rejects with EBADFRAME when the file is torn, no picture, or larger than 64 megapixels.
 */
export async function decode(picture: Picture, width: number, height: number, fit: Fit = 'cover'): Promise<RawImage> {
  if (picture.kind === 'raw' && picture.channels === 3 && picture.width === width && picture.height === height) {
    return { data: picture.data, width, height, channels: 3 };
  }
  try {
    const data = await open(picture).resize(width, height, { fit, background: 'black' }).removeAlpha().raw().toBuffer();
    return { data, width, height, channels: 3 };
  } catch (thrown) {
    throw undecodable(thrown);
  }
}

/**
 * RGB bytes as a file. Off the calling thread. Rejects with EBADPARAM when the quality cannot be.
 *
 * @param quality of a JPEG, 1..100
 */
export async function encode(image: RawImage, format: 'jpeg' | 'png', quality = 85): Promise<Buffer> {
  const { data, width, height, channels } = image;
  const picture = sharp()(data, { raw: { width, height, channels } });
  try {
    // Level 1 is many times faster than the default 6 and hardly larger for pictures without flat areas.
    return await (format === 'jpeg' ? picture.jpeg({ quality }) : picture.png({ compressionLevel: 1 })).toBuffer();
  } catch (thrown) {
    throw EngineError.from(thrown, 'EBADPARAM', `the picture cannot be encoded as ${format}: `);
  }
}

/**
 * A picture reduced to size × size, for comparing frames: interleaved RGB in -1..1, stretched to the square.
 * Rejects with EBADFRAME as {@link decode} does.
 */
export async function thumbnail(picture: Picture, size = 32): Promise<Float32Array> {
  const { data } = await decode(picture, size, size, 'fill');
  return Float32Array.from(data, (value) => value / 127.5 - 1);
}

/** The picture upright, in sRGB, transparency on black, for what comes next in the pipeline; torn files fail there. */
export function open(picture: Picture): Sharp {
  // Torn files fail; stray bytes between the parts of a JPEG, which some cameras send, do not.
  const options: SharpOptions = { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true };
  const { data } = picture;
  const source =
    picture.kind === 'encoded'
      ? sharp()(data, options)
      : sharp()(data, { ...options, raw: { width: picture.width, height: picture.height, channels: picture.channels } });
  return source.timeout({ seconds: DECODE_LIMIT }).autoOrient().flatten({ background: 'black' }).toColourspace('srgb');
}

/** EBADFRAME with what the decoder said. */
export function undecodable(thrown: unknown): EngineError {
  // The decoders append pages of detail after the first line.
  const [reason] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n', 1);
  const limit = reason.includes('pixel limit') ? ` of ${maxPixels / 1024 ** 2} megapixels` : '';
  return new EngineError('EBADFRAME', `the picture cannot be decoded: ${reason}${limit}`, { cause: thrown });
}
