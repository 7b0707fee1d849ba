import { EngineError, type ErrorCode } from '../errors';

/** An error in a message: structured clone would drop an Error's own properties, such as its code. */
export interface WireError {
  code: ErrorCode;
  message: string;
}

export function toWireError(thrown: unknown, code: ErrorCode = 'EHOST'): WireError {
  const error = EngineError.from(thrown, code);
  return { code: error.code, message: error.message };
}

export function fromWireError({ code, message }: WireError): EngineError {
  return new EngineError(code, message);
}

/** The answer to the request with this number. */
export type Answer = { id: number; result: unknown } | { id: number; error: WireError };

interface Pending<N> {
  note: N;
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/**
 * The requesting side of a thread or process: every request gets a number, and settles with the answer of that number, or when
 * the channel closes.
 *
 * ```ts
 * const channel = new Channel<Request>((request) => worker.postMessage(request));
 * worker.on('message', (answer) => channel.hear(answer));
 * worker.once('exit', () => channel.close(new EngineError('EHOST', 'the thread has ended')));
 * await channel.request({ do: 'run', net: 0 });
 * ```
 *
 * @typeParam R the request, without its number
 * @typeParam N a note that is kept with a request until it settles
 */
export class Channel<R extends object, N = undefined> {
  private readonly pending = new Map<number, Pending<N>>();
  private count = 0;
  private reason: Error | undefined;

  constructor(private readonly send: (request: R & { id: number }) => void) {}

  /** Why it is closed. */
  get closed(): Error | undefined {
    return this.reason;
  }

  /** The notes of the pending requests, oldest first. */
  get notes(): N[] {
    return [...this.pending.values()].map(({ note }) => note);
  }

  get size(): number {
    return this.pending.size;
  }

  /** Rejects with the other side's error, or with the reason of the end. */
  request(request: R, note: N): Promise<unknown> {
    if (this.reason) return Promise.reject(this.reason);
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { note, resolve, reject });
      try {
        this.send({ ...request, id });
      } catch (thrown) {
        // The request could not be sent, for example because its bytes cannot be moved to a thread.
        this.take(id)?.reject(thrown as Error);
      }
    });
  }

  /** @returns false for an answer without a request */
  hear(answer: Answer): boolean {
    const pending = this.take(answer.id);
    if ('error' in answer) pending?.reject(fromWireError(answer.error));
    else pending?.resolve(answer.result);
    return pending !== undefined;
  }

  /** Rejects the requests with these notes; their answers will be ignored. */
  reject(notes: readonly N[], error: Error): void {
    for (const [id, { note }] of [...this.pending]) if (notes.includes(note)) this.take(id)?.reject(error);
  }

  /** Rejects all pending and all further requests. */
  close(reason: Error): void {
    this.reason ??= reason;
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(this.reason);
  }

  private take(id: number): Pending<N> | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }
}

/** The answering side: performs a request and returns its result or error in plain values. Never rejects. */
export async function answerTo(id: number, perform: () => unknown): Promise<Answer> {
  try {
    return { id, result: await perform() };
  } catch (thrown) {
    return { id, error: toWireError(thrown) };
  }
}
