import type { NodeMessage } from 'node-red';
import { PROMPT_PICTURES } from '../../../engine/host/client';
import type { PromptSpec, WeightedText } from '../../../engine/host/protocol/messages';
import { BLEND_METHODS, type PictureIds } from '../../../engine/prompt/request';
import type { Target } from '../../../engine/prompt/transition';
import { isEmpty, readChoice } from '../common/fields';
import { isReset } from '../common/message';
import { PromptMotion } from './motion';
import { type Said, saidIn } from './payload';
import { readImages } from './pictures';
import { readNegativePrompt, readPrompt } from './texts';
import { readTransition, type TransitionSettings } from './transition';

/** The fields of a prompt encoder's dialog; an older flow may lack some. */
export interface PromptFields {
  prompt?: unknown;
  negativePrompt?: unknown;
  blend?: unknown;
  transition?: unknown;
  transitionMethod?: unknown;
  easing?: unknown;
  /** The picture: a file's path, or the picture itself as a data URI; read by {@link readPictureField}. */
  picture?: unknown;
  /** The name of the adapter that shows it; empty is all that show one. */
  pictureFor?: unknown;
}

const AT_ONCE: TransitionSettings = { length: { ms: 0 }, method: 'linear', easing: 'smooth', pace: 'picture' };

/** The prompts of a prompt encoder: those of its dialog until a message brings others. */
export class PromptState {
  private initial: { target: Target; transition: TransitionSettings };
  private target: Target;
  /** For the changes to come that say nothing else. */
  private transition: TransitionSettings;
  private readonly motion: PromptMotion;

  /** @throws EBADPROMPT, EBADPARAM */
  constructor({ prompt, negativePrompt, blend, transition, transitionMethod, easing }: PromptFields) {
    const negative = readNegativePrompt(negativePrompt);
    this.initial = {
      target: withBlend({ prompt: readPrompt(prompt ?? '', 'the prompt'), ...(negative && { negativePrompt: negative }) }, blend, 'blend'),
      transition: readTransition({ ms: transition, method: transitionMethod, easing }, AT_ONCE),
    };
    ({ target: this.target, transition: this.transition } = this.initial);
    this.motion = new PromptMotion(this.target);
  }

  /** The picture of the dialog, which has been read meanwhile: what is shown until a message brings another one. */
  start(images: PictureIds): void {
    const target = withImages(this.initial.target, images);
    PROMPT_PICTURES.hold(target);
    this.initial = { ...this.initial, target };
    if (!this.target.images) this.head(withImages(this.target, images), AT_ONCE, 0);
  }

  /** Whether a transition is under way. */
  get moving(): boolean {
    return this.motion.moving;
  }

  /** The prompt; during a transition, where it goes. */
  get prompt(): WeightedText[] {
    return this.target.prompt;
  }

  /** The prompt on one line, for people; during a transition, where it goes. */
  get text(): string {
    const { prompt, images } = this.target;
    const texts = prompt.flatMap(({ text, images: own }) => [...(text === '' ? [] : [text]), ...(own ? [PICTURE] : [])]);
    const line = [...texts, ...(images ? [PICTURE] : [])].join(' + ');
    return this.moving ? `→ ${line}` : line;
  }

  /**
   * Takes over what the message says: `msg.reset`, `msg.prompt`, `msg.negativePrompt`, `msg.blend`, `msg.transition`, or what
   * its payload says when it has no prompt. Leaves everything as it was when any of it cannot be used.
   *
   * @param now ms
   * @param pictures that are for the prompt, by the names of adapters; null takes one away
   * @returns whether the message said something
   * @throws EBADPROMPT, EBADPARAM, EBADFRAME
   */
  take(msg: NodeMessage, now: number, pictures?: unknown): boolean {
    const { prompt, negativePrompt, blend, transition: way, pictures: said } = saidBy(msg);
    const reset = isReset(msg);
    let target = withBlend(reset ? this.initial.target : this.target, blend, 'msg.blend');
    if (prompt !== undefined) target.prompt = readPrompt(prompt, 'msg.prompt');
    if (negativePrompt !== undefined) {
      const negative = readNegativePrompt(negativePrompt);
      if (negative) target.negativePrompt = negative;
      else delete target.negativePrompt;
    }
    const shown = pictures ?? said;
    if (shown !== undefined) target = withPictures(target, shown);
    const standing = reset ? this.initial.transition : this.transition;
    const transition = isEmpty(way) ? standing : readTransition(way, standing);
    const isChange = reset || [prompt, negativePrompt, shown].some((each) => each !== undefined) || !isEmpty(blend);

    this.transition = isChange ? standing : transition;
    if (isChange) this.head(target, reset && isEmpty(way) ? AT_ONCE : transition, now);
    return isChange || !isEmpty(way);
  }

  /**
   * Takes over what is said by the names of the dialog's fields; what is missing stays.
   *
   * @param now ms
   * @param images those of the dialog, in the place of all that there are
   * @throws EBADPROMPT, EBADPARAM
   */
  tune(fields: PromptFields, now: number, images?: PictureIds): void {
    const { prompt, negativePrompt, blend, transition: ms, transitionMethod: method, easing } = fields;
    const way = { ...(!isEmpty(ms) && { ms }), ...(!isEmpty(method) && { method }), ...(!isEmpty(easing) && { easing }) };
    const before = this.transition;
    try {
      // On its own a transition is for all changes to come.
      if (Object.keys(way).length > 0) this.transition = readTransition(way, this.transition);
      this.take({ prompt, negativePrompt, blend } as NodeMessage, now);
      if (images) this.head(withImages(this.target, images), this.transition, now);
    } catch (thrown) {
      this.transition = before;
      throw thrown;
    }
  }

  /** Remembers where the prompts are, or go to. Returns what brings that back, at once. */
  remember(): (now: number) => void {
    const { target, transition } = this;
    return (now) => {
      this.transition = transition;
      this.head(target, AT_ONCE, now);
    };
  }

  /**
   * The conditioning of what is sent now; a copy, since the flow may change what it gets.
   *
   * @param now ms
   * @param isFrame whether this counts in a transition that is counted in frames
   */
  next(now: number, isFrame: boolean): PromptSpec {
    const shown = this.motion.next(now, isFrame);
    PROMPT_PICTURES.hold(shown);
    return structuredClone(shown);
  }

  private head(target: Target, transition: TransitionSettings, now: number): void {
    PROMPT_PICTURES.hold(target);
    this.target = target;
    this.motion.head(target, transition, now);
  }
}

/** How a picture is called on a line of texts. */
const PICTURE = '▣';

/** A copy with these pictures, and no others. */
function withImages(target: Target, images: PictureIds): Target {
  const { images: _before, ...rest } = target;
  return Object.keys(images).length > 0 ? { ...rest, images } : rest;
}

/** A copy with further pictures, or without those that are null. @throws EBADFRAME */
function withPictures(target: Target, pictures: unknown): Target {
  const images = { ...target.images, ...readImages(pictures, 'msg.pictures') };
  for (const [name, picture] of Object.entries(pictures as object)) if (isEmpty(picture)) delete images[name];
  return withImages(target, images);
}

/** A copy with the blend that `value` says, if it says one. The linear one goes without saying. */
function withBlend(target: Target, value: unknown, name: string): Target {
  const { blend: before, ...texts } = target;
  const blend = isEmpty(value) ? before : readChoice(value, name, BLEND_METHODS);
  return blend === undefined || blend === 'linear' ? texts : { ...texts, blend };
}

/** An Inject button's text is its payload, which is taken when nothing else is meant as a prompt. The message's own properties come first. */
function saidBy(msg: NodeMessage): Said {
  const { prompt, negativePrompt, blend, transition } = msg;
  // Its own pictures are taken out of it, as far as they are for the prompt.
  if (prompt !== undefined || negativePrompt !== undefined) return { prompt, negativePrompt, blend, transition };
  const said = saidIn(msg);
  return { ...said, blend: blend ?? said?.blend, transition: transition ?? said?.transition };
}

/** Whether the payload is there to say something, and is not a picture. A query beside `msg.prompt` is not read, and may ask for a picture from text. */
export function isSayingPayload(msg: NodeMessage): boolean {
  const isObject = typeof msg.payload === 'object' && !(msg.payload instanceof Uint8Array);
  const isRead = msg.prompt === undefined && msg.negativePrompt === undefined;
  return (isRead || !isObject) && saidIn(msg) !== undefined;
}
