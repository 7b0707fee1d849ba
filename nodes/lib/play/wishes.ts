import type { WebSocket } from 'ws';
import type { ModelWords } from '../../../engine/model/model-words';
import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';
import { RateLimit } from '../common/rate-limit';
import type { Door } from '../web/visitor-pages';
import { readJsonMessage } from '../web/json-message';

export const MOST_WISHERS = 250;
const MOST_LETTERS = 200;
/** The limit for one visitor: three prompts at once, and then one every two seconds. */
const OF_ONE = { burst: 3, perSecond: 0.5 };
/** The limit for all visitors together, which a flow and its moderators can handle. */
const OF_ALL = { burst: 60, perSecond: 10 };
const TOO_FAST = 1008;
/** How often to check whether there is a model, ms. */
const WORDS_MS = 1000;
/** The number of visitors whose last answer is kept until they return. */
const MOST_ANSWERS = 500;

/** A flow's answer to a visitor: a text, or facts that the page puts into the visitor's language. */
export type Answer = string | { place?: number; shown?: boolean; done?: boolean; refused?: boolean; text?: string };

/**
 * The WebSocket through which visitors propose prompts. A page first sends `{ visitor }`, a secret id of its own, and then
 * `{ prompt }`. It receives `{ known }`, the words of the model, `{ sent: true }` or `{ wait: true }` for each prompt, and
 * `{ answer }` whenever the flow answers.
 */
export class WishDoor implements Door {
  private readonly visitors = new Map<WebSocket, string>();
  private readonly answers = new Map<string, Answer>();
  private readonly pace = new RateLimit(OF_ALL.burst, OF_ALL.perSecond);

  /**
   * @param wished sends a prompt into the flow
   * @param known the words of the model, for suggestions; undefined while there is no model, null for one without a list
   */
  constructor(
    private readonly wished: (prompt: string, visitor: string) => void,
    private readonly known: () => Promise<ModelWords['known'] | null>,
  ) {}

  get isFull(): boolean {
    return this.visitors.size >= MOST_WISHERS;
  }

  enter(socket: WebSocket): void {
    const pace = new RateLimit(OF_ONE.burst, OF_ONE.perSecond);
    const messages = new RateLimit(20, 5);
    this.visitors.set(socket, '');
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary || !messages.take()) return socket.close(TOO_FAST, 'too many messages');
      const { visitor, prompt } = readJsonMessage(data);
      if (typeof visitor === 'string' && /^\w{8,40}$/.test(visitor)) this.greet(socket, visitor);
      if (typeof prompt === 'string') this.take(socket, prompt, pace);
    });
    socket.once('close', () => this.visitors.delete(socket));
    this.offerWords(socket);
  }

  /**
   * Answers a visitor, even one that is disconnected for a moment.
   *
   * @throws EBADPARAM for what is not an answer
   */
  answer(visitor: unknown, answer: unknown): void {
    if (typeof visitor !== 'string')
      throw new EngineError('EBADPARAM', `msg.answer needs msg.visitor as it came with the prompt, not ${quote(visitor)}`);
    const said = readAnswer(answer);
    this.answers.delete(visitor);
    this.answers.set(visitor, said);
    for (const oldest of this.answers.keys()) if (this.answers.size > MOST_ANSWERS) this.answers.delete(oldest);
    for (const [socket, who] of this.visitors) if (who === visitor) tell(socket, { answer: said });
  }

  end(): void {
    for (const socket of this.visitors.keys()) socket.close(1001);
    this.visitors.clear();
  }

  /** Sends the words as soon as there is a model. */
  private offerWords(socket: WebSocket): void {
    this.known()
      .then((known) => {
        if (known) tell(socket, { known });
        else if (known === undefined && this.visitors.has(socket)) setTimeout(() => this.offerWords(socket), WORDS_MS).unref();
      })
      .catch(() => undefined);
  }

  private greet(socket: WebSocket, visitor: string): void {
    this.visitors.set(socket, visitor);
    const answer = this.answers.get(visitor);
    if (answer !== undefined) tell(socket, { answer });
  }

  private take(socket: WebSocket, text: string, pace: RateLimit): void {
    const visitor = this.visitors.get(socket) ?? '';
    const prompt = text.replace(/\s+/g, ' ').trim().slice(0, MOST_LETTERS);
    if (visitor === '' || prompt === '') return;
    if (!pace.take() || !this.pace.take()) return tell(socket, { wait: true });
    tell(socket, { sent: true });
    this.wished(prompt, visitor);
  }
}

function readAnswer(value: unknown): Answer {
  if (typeof value === 'string') return value.slice(0, 500);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EngineError('EBADPARAM', `msg.answer must be a text, or an object such as {"place": 3}, not ${quote(value)}`);
  }
  const { place, shown, done, refused, text } = value as Record<string, unknown>;
  return {
    ...(Number.isSafeInteger(place) && { place: place as number }),
    ...(shown === true && { shown }),
    ...(done === true && { done }),
    ...(refused === true && { refused }),
    ...(typeof text === 'string' && { text: text.slice(0, 500) }),
  };
}

function tell(socket: WebSocket, news: object): void {
  if (socket.readyState === socket.OPEN && socket.bufferedAmount < 1_000_000) socket.send(JSON.stringify(news));
}
