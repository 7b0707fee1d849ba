import { EngineError } from '../../engine/errors';
import { type Picture, maxBytes, toPicture } from '../../engine/image/picture';
import { pictureId } from '../../engine/image/picture-id';
import type { PictureIds } from '../../engine/prompt/request';
import { readBounded } from '../../engine/util/bounded-file';

/** The pictures of a prompt: their ids by the names of adapters, and themselves by their ids. */
export interface PromptPictures {
  ids: PictureIds;
  byId: ReadonlyMap<string, Picture>;
}

/** Reads them, and leaves it to the engine to decode them. Rejects with ESOURCE for a file that cannot be read, EBADFRAME for what is not a picture. */
export async function readPromptPictures(paths: Readonly<Record<string, string>>): Promise<PromptPictures> {
  const ids: Record<string, string> = {};
  const byId = new Map<string, Picture>();
  for (const [name, path] of Object.entries(paths)) {
    const picture = await read(path);
    ids[name] = pictureId(picture);
    byId.set(ids[name], picture);
  }
  return { ids, byId };
}

async function read(path: string): Promise<Picture> {
  const bytes = await readBounded(path, maxBytes).catch((thrown: Error) => {
    throw new EngineError('ESOURCE', `${path} cannot be read: ${thrown.message}`, { cause: thrown });
  });
  try {
    return toPicture(bytes);
  } catch (thrown) {
    const { code, message } = EngineError.from(thrown, 'EBADFRAME');
    throw new EngineError(code, `${path}: ${message}`, { cause: thrown });
  }
}
