import { EngineError } from '../../errors';
import { decode } from '../../image/codec';
import { codecPool } from '../../image/codec-pool';
import { isQuick, type Picture } from '../../image/picture';
import type { RawImage, StreamOptions } from '../../types';
import { quote } from '../../util/quote';

/**
 * Decodes the pictures of a frame to the stream's size.
 *
 * @param wanted the names of the pictures that the frame is rendered from
 * @throws EBADFRAME
 */
export async function decodePictures(
  given: Record<string, Picture>,
  wanted: readonly string[],
  options: StreamOptions,
): Promise<Record<string, RawImage>> {
  const names = wanted.filter((name) => name in given);
  const images = await Promise.all(names.map((name) => decoded(name, given[name], options)));
  return Object.fromEntries(names.map((name, k) => [name, images[k]]));
}

/** Decodes a light picture here, others in the codec's processes, which can be ended: a malicious picture keeps its decoder busy. */
async function decoded(name: string, picture: Picture, { width, height }: StreamOptions): Promise<RawImage> {
  try {
    return await (isQuick(picture) ? decode(picture, width, height) : codecPool.decode(picture, width, height));
  } catch (thrown) {
    if (name === 'image') throw thrown;
    const { code, message } = EngineError.from(thrown, 'EBADFRAME');
    throw new EngineError(code, `the picture ${quote(name)}: ${message}`, { cause: thrown });
  }
}
