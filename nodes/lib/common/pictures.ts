import { EngineError } from '../../../engine/errors';
import { type Picture, toPicture } from '../../../engine/image/picture';
import { quote } from '../../../engine/util/quote';

/** The most pictures of a frame, more than any frame uses. */
const MOST_PICTURES = 32;

/**
 * `msg.pictures`: further pictures of a frame, or of a prompt, by name, each in any form that a frame may have. Names without
 * a picture are left out.
 *
 * @param of the name of the property, for errors
 * @throws EBADFRAME with the name of the first that is not a picture
 */
export function readPictures(pictures: unknown, of = 'msg.pictures'): Record<string, Picture> {
  if (typeof pictures !== 'object' || pictures === null || Array.isArray(pictures) || ArrayBuffer.isView(pictures))
    throw new EngineError('EBADFRAME', `${of} must be an object of pictures by name, such as {"edges": picture}, not ${quote(pictures)}`);
  const entries = Object.entries(pictures).filter(([, picture]) => picture !== undefined && picture !== null);
  if (entries.length > MOST_PICTURES) throw new EngineError('EBADFRAME', `${of} may have ${MOST_PICTURES} pictures, not ${entries.length}`);
  return Object.fromEntries(entries.map(([name, picture]) => [name, read(`${of}[${quote(name)}]`, picture)]));
}

function read(name: string, picture: unknown): Picture {
  try {
    return toPicture(picture);
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADFRAME');
    throw new EngineError(code, `${name}: ${message}`, { cause: thrown });
  }
}
