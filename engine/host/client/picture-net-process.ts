import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import { Backoff } from '../../util/backoff';
import { type Answer, Channel } from '../../util/channel';
import { childOptions } from '../../util/child-options';
import { endWithParent } from '../../util/orphan-guard';
import type { OpenRequest, PictureNetRequest } from '../protocol/picture-net';

/** The deadline for opening a net, ms: one of a gigabyte on a slow disk takes a minute. */
const OPEN_LIMIT = 180_000;
const ANSWER_LIMIT = 60_000;
const RETRY = { first: 2000, last: 60_000 };

interface Life {
  child: ChildProcess;
  channel: Channel<PictureNetRequest>;
  /** Rejects as opening the net did. */
  opened: Promise<unknown>;
}

/**
 * A net that draws or judges pictures, in a process of its own, which starts with the first picture. When the process ends,
 * does not answer in time or cannot open the net, it is tried again after a pause; until then every picture is refused with
 * the error.
 */
export class PictureNetProcess {
  private readonly backoff = new Backoff(RETRY);
  private life: Life | undefined;
  private refusal: { error: EngineError; until: number } | undefined;
  private closed = false;

  constructor(private readonly opening: OpenRequest) {}

  get pid(): number | undefined {
    return this.life?.child.pid;
  }

  /** Rejects with the net's error, EBADFRAME when it is not a picture, ETIMEOUT, EHOST, ECLOSED. */
  async ask(request: Exclude<PictureNetRequest, OpenRequest>): Promise<unknown> {
    if (this.closed) throw new EngineError('ECLOSED', 'the net was closed');
    if (this.refusal && performance.now() < this.refusal.until) throw this.refusal.error;
    this.life ??= this.start();
    const { life } = this;
    await life.opened;
    const answer = await this.within(life, ANSWER_LIMIT, life.channel.request(request, undefined));
    this.backoff.reset();
    this.refusal = undefined;
    return answer;
  }

  close(): void {
    this.closed = true;
    this.life?.child.kill('SIGKILL');
  }

  private start(): Life {
    const child = fork(join(__dirname, '../process/picture-net-main.js'), [], {
      serialization: 'advanced',
      // The parent's inspector options would claim the same port.
      execArgv: childOptions(process.execArgv),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    endWithParent(child);
    const channel = new Channel<PictureNetRequest>((request) => child.send(request, () => undefined));
    child.on('message', (answer: Answer) => channel.hear(answer));
    const life: Life = { child, channel, opened: Promise.resolve() };
    child.once('error', (error) => this.lose(life, new EngineError('EHOST', `the net's process cannot be started: ${error.message}`)));
    child.once('exit', (code, signal) =>
      this.lose(life, new EngineError(this.closed ? 'ECLOSED' : 'EHOST', `the net's process ended with ${signal ?? `code ${code}`}`)),
    );
    const opening = this.within(life, OPEN_LIMIT, channel.request(this.opening, undefined));
    life.opened = opening.catch((thrown: unknown) => {
      const error = EngineError.from(thrown, 'EHOST');
      this.lose(life, error);
      throw error;
    });
    life.opened.catch(() => undefined);
    return life;
  }

  /** Ends a process that does not answer in time. */
  private async within<T>(life: Life, limitMs: number, answer: Promise<T>): Promise<T> {
    const late = setTimeout(
      () => this.lose(life, new EngineError('ETIMEOUT', `the net has not answered within ${limitMs / 1000} s, and was ended`)),
      limitMs,
    ).unref();
    return answer.finally(() => clearTimeout(late));
  }

  private lose(life: Life, error: EngineError): void {
    if (life.channel.closed) return;
    life.channel.close(error);
    life.child.kill('SIGKILL');
    if (this.life === life) this.life = undefined;
    this.refusal = { error, until: performance.now() + this.backoff.next() };
  }
}
