import { EngineError } from '../../../engine/errors';
import { PROMPT_PICTURES } from '../../../engine/host/client';
import type { PromptSpec, Transition, WeightedText } from '../../../engine/host/protocol/messages';
import { toPicture } from '../../../engine/image/picture';
import { BLEND_METHODS, TRANSITION_METHODS, TRANSITION_PACES } from '../../../engine/prompt/request';
import { MOST_TARGETS } from '../../../engine/prompt/transition';
import { quote } from '../../../engine/util/quote';
import { isEmpty, readNumber } from '../common/fields';
import { readImages, readImagesOfText } from './pictures';

/** Bounds against mistakes (a file as a prompt), far above what a text encoder reads. */
const MAX_LENGTH = 10_000;
const MAX_TEXTS = 32;
/** How many characters all texts of a list may have, and all lists of a conditioning and of the prompts that it comes from. */
const MAX_LIST = 40_000;
const MAX_CONDITIONING = 200_000;

/**
 * A prompt from a message or dialog: a text, or a list of texts and `{ text, weight, image }`, of which text or image will do; a
 * missing weight is 1.
 * @throws EBADPROMPT saying what is wrong, EBADFRAME for an image that is not a picture
 */
export function readPrompt(value: unknown, name: string): WeightedText[] {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  if (items.length === 0 || items.length > MAX_TEXTS) {
    throw new EngineError('EBADPROMPT', `${name} must have 1 to ${MAX_TEXTS} texts, not ${items.length}`);
  }
  const texts = items.map((item) => readText(item, name));
  const length = lengthOf(texts);
  if (length > MAX_LIST) throw new EngineError('EBADPROMPT', `${name} may have ${MAX_LIST} characters in all its texts, not ${length}`);
  return texts;
}

/**
 * A negative prompt; empty means none.
 * @throws EBADPROMPT
 */
export function readNegativePrompt(value: unknown): WeightedText[] | undefined {
  if (isEmpty(value) || (Array.isArray(value) && value.length === 0)) return undefined;
  const texts = readPrompt(value, 'msg.negativePrompt');
  if (texts.every(({ images }) => images === undefined)) return texts;
  throw new EngineError(
    'EBADPROMPT',
    'msg.negativePrompt has a picture; what to stay away from is said in words, pictures are for msg.prompt',
  );
}

/**
 * `msg.conditioning` as a prompt encoder sends it, or as somebody wrote it by hand. Its pictures stay for as long as what is
 * returned does.
 * @throws EBADPROMPT, EBADFRAME
 */
export function readConditioning(value: unknown): PromptSpec {
  const conditioning = readOne(value, 'msg.conditioning', 1, { characters: MAX_CONDITIONING });
  PROMPT_PICTURES.hold(conditioning);
  return conditioning;
}

function readOne(value: unknown, name: string, depth: number, left: { characters: number }): PromptSpec {
  if (typeof value !== 'object' || value === null || !('prompt' in value)) {
    throw new EngineError('EBADPROMPT', `${name} must be an object with a prompt, as the prompt encoder sends it, not ${quote(value)}`);
  }
  const { prompt, negativePrompt, images, blend, transition } = value as Record<string, unknown>;
  const texts = readPrompt(prompt, `${name}.prompt`);
  const negative = readNegativePrompt(negativePrompt);
  left.characters -= lengthOf(texts) + lengthOf(negative ?? []);
  if (left.characters < 0)
    throw new EngineError('EBADPROMPT', `${name} may have ${MAX_CONDITIONING} characters in all, with all that it comes from`);
  return {
    prompt: texts,
    ...(negative && { negativePrompt: negative }),
    ...(!isEmpty(images) && { images: readImages(images, `${name}.images`) }),
    ...(!isEmpty(blend) && { blend: oneOf(blend, `${name}.blend`, BLEND_METHODS) }),
    ...(!isEmpty(transition) && { transition: readWay(transition, `${name}.transition`, depth, left) }),
  };
}

function readWay(value: unknown, name: string, depth: number, left: { characters: number }): Transition {
  const { from, position, method, pace } = (typeof value === 'object' ? value : {}) as Record<string, unknown>;
  if (depth >= MOST_TARGETS) throw new EngineError('EBADPROMPT', `${name} leads through more than ${MOST_TARGETS} targets`);
  if (typeof position !== 'number' || !(position >= 0 && position <= 1)) {
    throw new EngineError('EBADPROMPT', `${name}.position must be a number from 0 to 1, not ${quote(position)}`);
  }
  const conditioning = readOne(from, `${name}.from`, depth + 1, left);
  return {
    from: conditioning,
    position,
    ...(!isEmpty(method) && { method: oneOf(method, `${name}.method`, TRANSITION_METHODS) }),
    ...(!isEmpty(pace) && { pace: oneOf(pace, `${name}.pace`, TRANSITION_PACES) }),
  };
}

function oneOf<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  const choice = choices.find((known) => known === value);
  if (choice !== undefined) return choice;
  throw new EngineError('EBADPROMPT', `${name} must be one of ${choices.join(', ')}, not ${quote(value)}`);
}

/** Whether a text is, or was meant as, a picture in base64 or a data URI, and so no prompt. */
export function isPictureText(text: string): boolean {
  if (/^data:/i.test(text) || /^[A-Za-z0-9+/]{256,}={0,2}$/.test(text)) return true;
  try {
    toPicture(text);
    return true;
  } catch {
    return false;
  }
}

function readText(item: unknown, name: string): WeightedText {
  if (typeof item === 'object' && item !== null && !('data' in item)) {
    const { text, image, images, pictures } = item as Record<string, unknown>;
    const shown = readImagesOfText({ image, images, pictures }, name);
    if (text !== undefined || shown)
      return {
        text: checkText(text ?? '', name),
        weight: 'weight' in item ? readWeight(item.weight, name) : 1,
        ...(shown && { images: shown }),
      };
  }
  return { text: checkText(item, name), weight: 1 };
}

/** Dashboards send numbers as texts. */
function readWeight(value: unknown, name: string): number {
  try {
    return readNumber(value, 'weight', { min: 0 });
  } catch {
    throw new EngineError('EBADPROMPT', `a weight in ${name} must be a number, 0 or more, not ${quote(value)}`);
  }
}

function checkText(item: unknown, name: string): string {
  if (typeof item !== 'string')
    throw new EngineError('EBADPROMPT', `${name} must be a text or a list of { text, weight }, not ${quote(item)}`);
  if (item.length > MAX_LENGTH)
    throw new EngineError('EBADPROMPT', `a text in ${name} may have ${MAX_LENGTH} characters, not ${item.length}`);
  if (isPictureText(item))
    throw new EngineError(
      'EBADPROMPT',
      `${name} is a picture, not a text: ${quote(item)}; send frames as msg.payload, pictures as prompts as msg.pictures`,
    );
  return item;
}

function lengthOf(texts: WeightedText[]): number {
  return texts.reduce((sum, { text }) => sum + text.length, 0);
}
