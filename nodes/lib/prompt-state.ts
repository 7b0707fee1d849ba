import type { NodeMessage } from 'node-red';
import type { ConditioningRequest } from '../../engine/host/messages';
import { BLEND_METHODS } from '../../engine/prompt/request';
import type { Target } from '../../engine/prompt/transition';
import { isEmpty, readChoice } from './fields';
import { isReset } from './message';
import { PromptMotion } from './prompt-motion';
import { isPictureText, readNegativePrompt, readPrompt } from './prompt-texts';
import { readTransition, type TransitionSettings } from './prompt-transition';

/** The fields of a prompt encoder's dialog; an older flow may lack some. */
export interface PromptFields {
  prompt?: unknown;
  negativePrompt?: unknown;
  blend?: unknown;
  transition?: unknown;
  transitionMethod?: unknown;
  easing?: unknown;
}

const AT_ONCE: TransitionSettings = { length: { ms: 0 }, method: 'linear', easing: 'smooth', pace: 'picture' };

/** The prompts of a prompt encoder: those of its dialog until a message brings others. */
export class PromptState {
  private readonly initial: { target: Target; transition: TransitionSettings };
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

  /** Whether a transition is under way. */
  get moving(): boolean {
    return this.motion.moving;
  }

  /** The prompt on one line, for people; during a transition, where it goes. */
  get text(): string {
    const texts = this.target.prompt.map(({ text }) => text).join(' + ');
    return this.moving ? `→ ${texts}` : texts;
  }

  /**
   * Takes over what the message says: `msg.reset`, `msg.prompt`, `msg.negativePrompt`, `msg.blend`, `msg.transition`, or a
   * text as payload when it has no prompt. Leaves everything as it was when any of it cannot be used.
   *
   * @param now ms
   * @returns whether the message said something
   * @throws EBADPROMPT, EBADPARAM
   */
  take(msg: NodeMessage, now: number): boolean {
    const prompt = promptOf(msg);
    const reset = isReset(msg);
    const target = withBlend(reset ? this.initial.target : this.target, msg.blend, 'msg.blend');
    if (prompt !== undefined) target.prompt = readPrompt(prompt, 'msg.prompt');
    if (msg.negativePrompt !== undefined) {
      const negative = readNegativePrompt(msg.negativePrompt);
      if (negative) target.negativePrompt = negative;
      else delete target.negativePrompt;
    }
    const standing = reset ? this.initial.transition : this.transition;
    const transition = isEmpty(msg.transition) ? standing : readTransition(msg.transition, standing);
    const isChange = reset || prompt !== undefined || msg.negativePrompt !== undefined || !isEmpty(msg.blend);

    this.target = target;
    this.transition = isChange ? standing : transition;
    if (isChange) this.motion.head(target, reset && isEmpty(msg.transition) ? AT_ONCE : transition, now);
    return isChange || !isEmpty(msg.transition);
  }

  /**
   * The conditioning of what is sent now; a copy, since the flow may change what it gets.
   *
   * @param now ms
   * @param isFrame whether this counts in a transition that is counted in frames
   */
  next(now: number, isFrame: boolean): ConditioningRequest {
    return structuredClone(this.motion.next(now, isFrame));
  }
}

/** A copy with the blend that `value` says, if it says one. The linear one goes without saying. */
function withBlend(target: Target, value: unknown, name: string): Target {
  const { blend: before, ...texts } = target;
  const blend = isEmpty(value) ? before : readChoice(value, name, BLEND_METHODS);
  return blend === undefined || blend === 'linear' ? texts : { ...texts, blend };
}

/** An Inject button's text is its payload: taken as the prompt when nothing else is meant as one. */
function promptOf(msg: NodeMessage): unknown {
  if (msg.prompt !== undefined || msg.negativePrompt !== undefined) return msg.prompt;
  return isTextPayload(msg) ? msg.payload : undefined;
}

/** Whether the payload is a text and no picture. */
export function isTextPayload(msg: NodeMessage): boolean {
  return typeof msg.payload === 'string' && msg.payload !== '' && !isPictureText(msg.payload);
}
