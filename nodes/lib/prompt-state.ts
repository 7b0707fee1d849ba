import type { NodeMessage } from 'node-red';
import type { ConditioningRequest } from '../../engine/host/messages';
import { isReset } from './message';
import { isPictureText, readNegativePrompt, readPrompt } from './prompt-texts';

/** The prompts of a prompt encoder: those of its dialog until a message brings others. */
export class PromptState {
  private readonly initial: ConditioningRequest;
  private current: ConditioningRequest;

  /** @throws EBADPROMPT */
  constructor(prompt: unknown, negativePrompt: unknown) {
    const negative = readNegativePrompt(negativePrompt);
    this.initial = { prompt: readPrompt(prompt ?? '', 'the prompt'), ...(negative && { negativePrompt: negative }) };
    this.current = this.initial;
  }

  /** A copy, since the flow may change what it gets. */
  get conditioning(): ConditioningRequest {
    return structuredClone(this.current);
  }

  /**
   * Takes over what the message says: `msg.reset`, `msg.prompt`, `msg.negativePrompt`, or a text as payload when it has
   * neither of these two. Leaves everything as it was when any of it cannot be used.
   *
   * @returns whether the message said something
   * @throws EBADPROMPT
   */
  take(msg: NodeMessage): boolean {
    const prompt = promptOf(msg);
    const next: ConditioningRequest = { ...(isReset(msg) ? this.initial : this.current) };
    if (prompt !== undefined) next.prompt = readPrompt(prompt, 'msg.prompt');
    if (msg.negativePrompt !== undefined) {
      const negative = readNegativePrompt(msg.negativePrompt);
      if (negative) next.negativePrompt = negative;
      else delete next.negativePrompt;
    }
    this.current = next;
    return isReset(msg) || prompt !== undefined || msg.negativePrompt !== undefined;
  }

  /** The prompt on one line, for people. */
  get text(): string {
    return this.current.prompt.map(({ text }) => text).join(' + ');
  }
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
