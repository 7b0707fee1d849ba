import { EngineError } from '../errors';
import { printable } from '../util/quote';
import { TransientError, type Retrying } from './retry';
import { type HubSettings, isAllowed, isLoopback } from './settings';
import { Watch } from './watch';

/** An answer whose body arrives chunk by chunk. Rejects with a {@link TransientError} when it breaks off or falls silent. */
export interface Answer {
  status: number;
  headers: Headers;
  chunks: AsyncIterable<Uint8Array>;
  /** Ends the connection without reading the rest. */
  discard: () => void;
}

const MAX_REDIRECTS = 5;
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/**
 * A client of the hub. Every wait has a deadline. Failures that may pass are a {@link TransientError}, others an EngineError:
 * ENOMODEL, EDENIED, ENETWORK.
 */
export class HubClient {
  constructor(
    private readonly settings: HubSettings,
    private readonly waiting: Pick<Retrying, 'policy' | 'signal'>,
  ) {}

  /**
   * Asks for JSON.
   *
   * @param path with its leading slash
   * @returns the value, and the address of the next page if there is one
   */
  async getJson(path: string, subject: string): Promise<{ value: unknown; next: string | undefined }> {
    const { headers, chunks } = await this.get(path, subject);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of chunks) {
      parts.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_JSON_BYTES) throw new EngineError('ENETWORK', `${this.settings.endpoint} answers ${path} without an end`);
    }
    try {
      const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
      return { value, next: /<([^>]+)>;\s*rel="next"/.exec(headers.get('link') ?? '')?.[1] };
    } catch {
      throw new EngineError(
        'ENETWORK',
        `${this.settings.endpoint} does not answer as Hugging Face does: ${path} is not JSON; check HF_ENDPOINT`,
      );
    }
  }

  /**
   * Asks for a file, or for the rest of it, and follows redirects.
   *
   * @param subject the name of the file in errors
   * @param from the first byte that is wanted; the answer is 206 when the server begins there, 200 when it begins at 0
   */
  async get(path: string, subject: string, from = 0): Promise<Answer> {
    if (process.env.HF_HUB_OFFLINE === '1') throw new EngineError('ENETWORK', 'HF_HUB_OFFLINE=1 forbids downloads; unset it');
    // A mirror may have a path prefix.
    let url = new URL(this.settings.endpoint + path);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await this.ask(url, from);
      const target = answer.headers.get('location');
      if (answer.status < 300 || answer.status >= 400 || !target) {
        if (answer.status === 200 || answer.status === 206) return answer;
        answer.discard();
        throw this.refusal(answer, url, subject);
      }
      answer.discard();
      url = this.redirected(url, target);
    }
    throw unexpected(url, 'too many redirects');
  }

  private redirected(from: URL, target: string): URL {
    const url = new URL(target, from);
    if (!isAllowed(url)) throw unexpected(url, 'a redirect that is not https');
    if (isLoopback(url) && !isLoopback(from)) throw unexpected(url, 'a redirect into this machine');
    return url;
  }

  /** One request without redirects. */
  private async ask(url: URL, from: number): Promise<Answer> {
    const watch = new Watch(this.waiting.policy.silenceMs, this.waiting.signal);
    try {
      const request = fetch(url, { headers: this.headers(url, from), redirect: 'manual', signal: watch.signal });
      const { status, headers, body } = await watch.within(request);
      return { status, headers, chunks: chunksOf(body, url, watch), discard: () => watch.end() };
    } catch (thrown) {
      watch.end();
      throw new TransientError(`${url.host} cannot be reached: ${reasonOf(thrown)}`);
    }
  }

  private headers(url: URL, from: number): Record<string, string> {
    // The token is sent to the hub only: files come from other servers, at addresses that carry their own permission.
    return {
      'user-agent': 'streamdiffusion-node-red',
      'accept-encoding': 'identity',
      ...(this.isHub(url) && this.settings.token && { authorization: `Bearer ${this.settings.token}` }),
      ...(from > 0 && { range: `bytes=${from}-` }),
    };
  }

  private isHub(url: URL): boolean {
    return url.origin === new URL(this.settings.endpoint).origin;
  }

  private refusal({ status, headers }: Answer, url: URL, subject: string): Error {
    // Addresses of files expire; the next try gets a new one from the hub.
    if (!this.isHub(url)) return new TransientError(`${url.host} answers ${status} for ${subject}`);
    const { endpoint, token } = this.settings;
    const said = printable(headers.get('x-error-message') ?? '', 300);
    const answer = `${endpoint} answers ${status} for ${subject}${said ? ` (${said})` : ''}`;
    if (status === 401) {
      const advice = token ? 'the token in HF_TOKEN is not accepted' : 'it does not exist, or is private: check the name, or set HF_TOKEN';
      return new EngineError('EDENIED', `${answer}; ${advice}`);
    }
    if (status === 403)
      return new EngineError('EDENIED', `${answer}; accept its licence on its page there, and set HF_TOKEN to a token of that account`);
    if (status === 404) return new EngineError('ENOMODEL', `${answer}; check the name and the revision`);
    if (status === 408 || status === 429 || status >= 500)
      return new TransientError(answer, Number(headers.get('retry-after') ?? 0) * 1000 || 0);
    return new EngineError('ENETWORK', answer);
  }
}

async function* chunksOf(body: Response['body'], url: URL, watch: Watch): AsyncGenerator<Uint8Array> {
  try {
    const reader = body?.getReader();
    while (reader) {
      const { done, value } = await watch.within(reader.read());
      if (done) return;
      yield value;
    }
  } catch (thrown) {
    throw new TransientError(`${url.host} broke off: ${reasonOf(thrown)}`);
  } finally {
    watch.end();
  }
}

/** The reason of a failed fetch is in the causes of its error. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.cause instanceof Error) return reasonOf(thrown.cause);
  return thrown.message || ('code' in thrown ? String(thrown.code) : thrown.name);
}

function unexpected(url: URL, what: string): EngineError {
  return new EngineError('ENETWORK', `the hub's answers lead to ${url.origin}: ${what}; check HF_ENDPOINT`);
}
