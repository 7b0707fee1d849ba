import { EngineError } from '../errors';
import { quote } from '../util/quote';

/** How the bytes of a raw picture are read. */
export interface RawLayout {
  channels: 1 | 3 | 4;
  /** Blue comes first and red third, as in OpenCV. */
  isBgr: boolean;
}

/** The accepted orders of colours, in lower case. Libraries have many names for the same thing. */
const COLOUR_SPACES: Record<string, RawLayout> = {
  ...named(['gray', 'grey', 'grayscale', 'greyscale', 'l', 'luma', 'mono', 'mono8', 'gray8', 'grey8', 'b-w', 'y8'], {
    channels: 1,
    isBgr: false,
  }),
  ...named(['rgb', 'rgb8', 'rgb24'], { channels: 3, isBgr: false }),
  ...named(['bgr', 'bgr8', 'bgr24'], { channels: 3, isBgr: true }),
  ...named(['rgba', 'rgba8', 'rgba32', 'rgba8888', 'rgba-unorm8'], { channels: 4, isBgr: false }),
  ...named(['bgra', 'bgra8', 'bgra32', 'bgra8888'], { channels: 4, isBgr: true }),
};
/** Names that say nothing about the order, so it is RGB with the given channels; `format` may name the original file type. */
const ANY_ORDER = new Set(['srgb', 'display-p3', 'raw', 'jpeg', 'jpg', 'png', 'webp', 'heif', 'avif', 'gif', 'tiff']);
const WANTED_ORDERS = 'GRAY, RGB, RGBA, BGR or BGRA';
const WANTED_TYPES = new Set(['uint8', 'u1', '|u1', 'uint8clamped', 'uint8_t', 'uchar', 'byte', 'u8', 'cv_8u', '8', '8u']);

/** Properties of common libraries that give the order of colours, and those that give the type of one value. */
const ORDER_NAMES = [
  'colorSpace',
  'colourSpace',
  'colorspace',
  'color_space',
  'colorModel',
  'pixelFormat',
  'pixelformat',
  'format',
  'space',
];
const TYPE_NAMES = ['dtype', 'depth', 'bitDepth', 'dataType'];

/**
 * The layout that the sender states for its raw picture, or that follows from its bytes per pixel.
 * @throws EBADFRAME naming what is not supported or contradicts itself
 */
export function layoutOf(picture: Record<string, unknown>, bytesPerPixel: number): RawLayout {
  checkType(picture);
  const said = saidOrder(picture);
  const channels = picture.channels ?? said?.channels ?? bytesPerPixel;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw bad(`a raw picture has 1, 3 or 4 channels; got ${quote(channels)}`);
  }
  // image-js also says RGB for pictures with transparency.
  const isLoose = said?.name === 'colorModel' && said.channels > 1 && channels > 1;
  if (said && said.channels !== channels && !isLoose)
    throw bad(`a raw picture says two things: ${said.name} ${quote(said.value)}, and channels ${channels}`);
  return { channels, isBgr: said?.isBgr ?? false };
}

function saidOrder(picture: Record<string, unknown>): (RawLayout & { name: string; value: unknown }) | undefined {
  let found: (RawLayout & { name: string; value: unknown }) | undefined;
  for (const name of ORDER_NAMES) {
    const value = picture[name];
    if (value === undefined || value === null || value === '') continue;
    const key = typeof value === 'string' && value.length <= 20 ? value.toLowerCase() : '';
    if (ANY_ORDER.has(key)) continue;
    if (!Object.hasOwn(COLOUR_SPACES, key)) throw bad(`a raw picture's ${name} must be ${WANTED_ORDERS}; got ${quote(value)}`);
    const layout = COLOUR_SPACES[key];
    if (found && (found.channels !== layout.channels || found.isBgr !== layout.isBgr)) {
      throw bad(`a raw picture says two things: ${found.name} ${quote(found.value)}, and ${name} ${quote(value)}`);
    }
    found = { ...layout, name, value };
  }
  return found;
}

function checkType(picture: Record<string, unknown>): void {
  for (const name of TYPE_NAMES) {
    const value = picture[name];
    if (value === undefined || value === null || value === '') continue;
    // This is OpenCV's number for bytes, or a number of channels.
    if (name === 'depth' && typeof value === 'number' && value <= 4) continue;
    const key = typeof value === 'string' || typeof value === 'number' ? String(value).toLowerCase().slice(0, 20) : '';
    if (!WANTED_TYPES.has(key))
      throw bad(`a raw picture has one byte a channel, 0 to 255 (${name} uint8); got ${name} ${quote(value)}: convert it first`);
  }
}

function named(names: string[], layout: RawLayout): Record<string, RawLayout> {
  return Object.fromEntries(names.map((name) => [name, layout]));
}

const bad = (message: string): EngineError => new EngineError('EBADFRAME', message);
