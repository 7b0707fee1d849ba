import { EngineError } from '../../../engine/errors';
import { LARGEST_PROMPT_PICTURE, PROMPT_PICTURES } from '../../../engine/host/client';
import { toPicture } from '../../../engine/image/picture';
import { ANY_ADAPTER, type PictureIds } from '../../../engine/prompt/request';
import { readBounded } from '../../../engine/util/bounded-file';
import { printable } from '../../../engine/util/quote';
import { isEmpty } from '../common/fields';

/** Characters of a picture that is kept in the flow, which every editor loads: the dialog makes it smaller than this. */
const LONGEST_DATA_URI = 512 * 1024;

/**
 * The picture of a prompt encoder's dialog: the path of a file, or the picture itself as a data URI.
 *
 * @returns its id by the name of the adapter that it is for; nothing for an empty field. Rejects with ESOURCE where the file cannot
 *   be read, EBADFRAME where it is not a picture or too large.
 */
export async function readPictureField({ picture, pictureFor }: { picture?: unknown; pictureFor?: unknown }): Promise<PictureIds> {
  if (isEmpty(picture)) return {};
  const name = typeof pictureFor === 'string' && pictureFor.trim() !== '' ? pictureFor.trim() : ANY_ADAPTER;
  const text = String(picture);
  return { [name]: PROMPT_PICTURES.put(/^data:/i.test(text) ? toPicture(ofFlow(text)) : toPicture(await readFile(text.trim()))) };
}

function ofFlow(text: string): string {
  if (text.length <= LONGEST_DATA_URI) return text;
  throw new EngineError(
    'EBADFRAME',
    `the picture of the dialog has ${Math.ceil(text.length / 1024)} KiB, of at most ${LONGEST_DATA_URI / 1024}; choose it again, or name a file`,
  );
}

async function readFile(path: string): Promise<Buffer> {
  try {
    return await readBounded(path, LARGEST_PROMPT_PICTURE);
  } catch (thrown) {
    const { message } = thrown as Error;
    throw new EngineError('ESOURCE', `the picture ${printable(path, 1000)} cannot be read: ${message}`, { cause: thrown });
  }
}
