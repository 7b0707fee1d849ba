import type { Sharp, SharpOptions } from 'sharp';
import { EngineError } from '../errors';
import { shorten } from '../util/quote';
import type { RawImage } from '../types';
import { maxPixels, type Picture } from './picture';

/** How a picture of different proportions fills a frame: cropped to cover it, contained with black borders, or stretched. */
export type Fit = 'cover' | 'contain' | 'fill';

/** Formats of {@link Picture}, as libvips calls their loaders. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Heif', 'Nsgif', 'Tiff', 'Svg'];
/** A second line of defence after {@link CodecPool}: decoders that honour it give up after this time, s. */
const DECODE_LIMIT = 20;
const REDS_AND_BLUES_CHANGED: [[number, number, number], [number, number, number], [number, number, number]] = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
];

let library: typeof import('sharp') | undefined;
let missing: EngineError | undefined;

/**
 * The picture codec, loaded with the first picture, since a flow without pictures never needs its large binary.
 * @throws ENOCODEC when that binary is missing
 */
export function sharp(): typeof import('sharp') {
  if (missing) throw missing;
  try {
    library ??= require('sharp') as typeof import('sharp');
    return library;
  } catch (thrown) {
    const said = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\s+/g, ' ');
    missing = new EngineError(
      'ENOCODEC',
      `no picture can be read or written, because the native part of sharp is missing here: ${shorten(said, 1000)}`,
      { cause: thrown },
    );
    throw missing;
  }
}

/**
 * Sets the codec up for this whole process. Must not be called in a process of others, whose packages share these switches.
 * @throws ENOCODEC
 */
export function takeOverCodec(): void {
  const codec = sharp();
  // Every frame is new, so a cache only costs memory. A small picture is not worth more than one thread, and pictures of
  // different streams are processed in parallel in libuv's pool anyway.
  codec.cache(false);
  codec.concurrency(1);
  // libvips opens many more formats, but only these are allowed; SVG is for pictures that this package draws.
  codec.block({ operation: ['VipsForeignLoad'] });
  codec.unblock({ operation: LOADERS.map((format) => `VipsForeignLoad${format}`) });
}

/**
 * Decodes a picture to RGB bytes of exactly width × height: turned as its EXIF says, in sRGB, transparency on black. Runs
 * off the calling thread. Rejects with EBADFRAME when the file is torn, not a picture, or larger than 64 megapixels; ENOCODEC.
 */
export async function decode(picture: Picture, width: number, height: number, fit: Fit = 'cover'): Promise<RawImage> {
  if (picture.kind === 'raw' && picture.channels === 3 && !picture.isBgr && picture.width === width && picture.height === height) {
    return { data: picture.data, width, height, channels: 3 };
  }
  try {
    const fitted = open(picture).resize(width, height, { fit, background: 'black' }).removeAlpha().raw();
    // Memory from toBuffer() cannot be moved to another thread, and memory from toUint8Array() is never freed (sharp 0.35).
    return { data: new Uint8Array(await fitted.toBuffer()), width, height, channels: 3 };
  } catch (thrown) {
    throw undecodable(thrown);
  }
}

/**
 * Decodes a picture to RGB bytes in its own proportions, reduced until its shorter side has at most `size` pixels and the
 * longer one at most eight times as many. In all else it is like {@link decode}.
 */
export async function decodeWithin(picture: Picture, size: number): Promise<RawImage> {
  const longest = 8 * size;
  try {
    const reduced = open(picture).resize(size, size, { fit: 'outside', withoutEnlargement: true }).removeAlpha().raw();
    const { data, info } = await reduced.toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    if (Math.max(width, height) <= longest) return { data, width, height, channels: 3 };
    return await decodeWithinBox({ kind: 'raw', data, width, height, channels: 3 }, longest);
  } catch (thrown) {
    throw undecodable(thrown);
  }
}

async function decodeWithinBox(picture: Picture, longest: number): Promise<RawImage> {
  const reduced = open(picture).resize(longest, longest, { fit: 'inside' }).removeAlpha().raw();
  const { data, info } = await reduced.toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: 3 };
}

/**
 * Encodes RGB bytes as a file, off the calling thread. Rejects with EBADPARAM when the quality is out of range; ENOCODEC.
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

/** How a picture becomes a JPEG. */
export interface JpegOptions {
  /** 1..100. */
  quality: number;
  /** Default: the picture's own. `inside` keeps the proportions, and neither side becomes longer. */
  size?: { width: number; height: number; fit: 'cover' | 'inside' };
}

/** Converts a picture to JPEG, off the calling thread. Rejects as {@link decode} does. */
export async function toJpeg(picture: Picture, { quality, size }: JpegOptions): Promise<Buffer> {
  try {
    const upright = open(picture);
    if (size) upright.resize(size.width, size.height, { fit: size.fit });
    return await upright.jpeg({ quality }).toBuffer();
  } catch (thrown) {
    throw undecodable(thrown);
  }
}

/** Draws an SVG of this package as JPEG, off the calling thread. */
export async function drawSvg(svg: string, quality: number): Promise<Buffer> {
  return sharp()(Buffer.from(svg)).jpeg({ quality }).toBuffer();
}

/**
 * A picture reduced to size × size, for comparing frames: interleaved RGB in -1..1, stretched to the square.
 * Rejects with EBADFRAME as {@link decode} does.
 */
export async function thumbnail(picture: Picture, size = 32): Promise<Float32Array> {
  const { data } = await decode(picture, size, size, 'fill');
  return Float32Array.from(data, (value) => value / 127.5 - 1);
}

/** Opens a picture upright, in sRGB, transparency on black, as the start of a pipeline; torn files fail later in it. */
function open(picture: Picture): Sharp {
  // Torn files fail; stray bytes between the parts of a JPEG, which some cameras send, do not.
  const options: SharpOptions = { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true };
  const { data } = picture;
  const source =
    picture.kind === 'encoded'
      ? sharp()(data, options)
      : sharp()(data, { ...options, raw: { width: picture.width, height: picture.height, channels: picture.channels } });
  const upright = source.timeout({ seconds: DECODE_LIMIT }).autoOrient().flatten({ background: 'black' }).toColourspace('srgb');
  return picture.kind === 'raw' && picture.isBgr ? upright.recomb(REDS_AND_BLUES_CHANGED) : upright;
}

/** EBADFRAME with what the decoder said; an error of this package is kept. */
function undecodable(thrown: unknown): EngineError {
  if (thrown instanceof EngineError) return thrown;
  // The decoders append pages of detail after the first line.
  const [reason] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n', 1);
  const limit = reason.includes('pixel limit') ? ` of ${maxPixels / 1024 ** 2} megapixels` : '';
  return new EngineError('EBADFRAME', `the picture cannot be decoded: ${shorten(reason, 300)}${limit}`, { cause: thrown });
}
