import { EngineError } from '../../../engine/errors';
import { PROMPT_PICTURES } from '../../../engine/host/client';
import { isPictureId } from '../../../engine/image/picture-id';
import { ANY_ADAPTER, type PictureIds } from '../../../engine/prompt/request';
import { quote } from '../../../engine/util/quote';
import { isEmpty } from '../common/fields';
import { readPictures } from '../common/pictures';

/**
 * Pictures of a prompt by the names of their adapters, as a conditioning names them or as pictures themselves; `image` is for every
 * adapter that shows one.
 *
 * @returns their ids; the pictures are kept
 * @throws EBADFRAME for what is neither, or is too large
 */
export function readImages(value: unknown, name: string): PictureIds {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) return keep(value, name);
  const given = Object.entries(value).filter(([, picture]) => !isEmpty(picture));
  const known = given.filter((entry): entry is [string, string] => isPictureId(entry[1]));
  const others = given.filter(([, picture]) => !isPictureId(picture));
  return { ...Object.fromEntries(known), ...(others.length > 0 && keep(Object.fromEntries(others), name)) };
}

/** The pictures of one text of a list: `image` for every adapter that shows one, `images` (or `pictures`) by their names; undefined for none. */
export function readImagesOfText(
  { image, images, pictures }: { image?: unknown; images?: unknown; pictures?: unknown },
  name: string,
): PictureIds | undefined {
  const one = isEmpty(image) ? {} : readImages({ [ANY_ADAPTER]: image }, name);
  const several = [images, pictures].filter((each) => !isEmpty(each)).map((each) => readImages(each, `${name}[].images`));
  const all: PictureIds = Object.assign({}, one, ...several);
  return Object.keys(all).length > 0 ? all : undefined;
}

function keep(pictures: unknown, name: string): PictureIds {
  const read = Object.entries(readPictures(pictures, name));
  return Object.fromEntries(
    read.map(([adapter, picture]) => {
      try {
        return [adapter, PROMPT_PICTURES.put(picture)];
      } catch (thrown) {
        const { code, message } = EngineError.from(thrown, 'EBADFRAME');
        throw new EngineError(code, `${name}[${quote(adapter)}]: ${message}`, { cause: thrown });
      }
    }),
  );
}
