import type { RawImage } from '../../types';
import { decodeWithin, encode, sharp } from '../codec';
import type { Picture } from '../picture';
import { type Background, learnBackground } from './background';
import { type ControlMapSettings, type ControlMapState, drawControlMap } from './maps';
import type { Plane } from './plane';

/** JPEG quality of coloured maps; grey ones are PNGs, exact to the byte. */
const QUALITY = 90;

export interface ControlMapJob {
  picture: Picture;
  /** The most pixels of the map's shorter side; it has the proportions of the picture. */
  size: number;
  settings: ControlMapSettings;
  /** The kind's state from the last frame. */
  state?: ControlMapState;
  /** Whether the room follows the light of this picture. */
  adapt?: boolean;
}

/** A control map as a file. */
export interface ControlMap {
  data: Uint8Array;
  format: 'png' | 'jpeg';
  /** Pixels. */
  width: number;
  height: number;
  /** The state for the next frame, where it has changed. */
  state?: ControlMapState;
}

export interface RoomJob {
  /** One or more. Those of another size than the last one do not count. */
  pictures: Picture[];
  /** The same as in a {@link ControlMapJob}. */
  size: number;
}

/** Draws the control map of a picture. Rejects with EBADFRAME as {@link decodeWithin} does. */
export async function drawMap({ picture, size, settings, state, adapt }: ControlMapJob): Promise<ControlMap> {
  const { map, state: next } = drawControlMap(await decodeWithin(picture, size), settings, state, adapt);
  const { width, height } = map;
  return { ...(await toFile(map)), width, height, ...(next && { state: next }) };
}

/** Learns what stays the same in pictures of a room. Rejects with EBADFRAME as {@link decodeWithin} does. */
export async function learnRoom({ pictures, size }: RoomJob): Promise<Background> {
  const images: RawImage[] = [];
  for (const picture of pictures) images.push(await decodeWithin(picture, size));
  const { width, height } = images[images.length - 1];
  return learnBackground(images.filter((image) => image.width === width && image.height === height));
}

/** Encodes a map: grey ones as PNG, coloured ones as JPEG. */
export async function toFile(map: Plane | RawImage): Promise<Pick<ControlMap, 'data' | 'format'>> {
  if ('channels' in map) return { data: await encode(map, 'jpeg', QUALITY), format: 'jpeg' };
  const { data, width, height } = map;
  const grey = sharp()(data, { raw: { width, height, channels: 1 } }).toColourspace('b-w');
  // Level 1 is many times faster than the default 6 and hardly larger.
  return { data: await grey.png({ compressionLevel: 1 }).toBuffer(), format: 'png' };
}
