import { isDeepStrictEqual } from 'node:util';
import { EngineError, type ErrorCode } from '../../errors';
import { changedOptions } from '../../diffusion/options';
import { copiesOf, copyOf } from '../../image/picture';
import type { SerialQueue } from '../../util/serial-queue';
import type { EngineProcess } from './engine-process';
import { Mailbox } from '../../util/mailbox';
import type { PromptSpec, FrameRequest, FrameResult, LiveParams, StreamSettings, StreamStats } from '../protocol/messages';
import { isValidFrame } from '../protocol/valid-frame';
import { StreamMeter } from './stream-meter';

interface Submission {
  frame: FrameRequest;
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/**
 * Frames that may be on their way to the engine process without having left its waiting place. One would let it idle
 * for a round trip; many would fill the pipe while a net blocks the process.
 */
const MAX_UNTAKEN = 3;
/** Errors that another try may fix: an inference server that is away. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ENETWORK', 'ETIMEOUT', 'EDENIED']);
/** Wait before that, ms. */
const REOPEN_AFTER = 2000;

/**
 * The flow's side of a stream. It outlives the engine process: after a crash it is opened there again with all that was
 * set. While there is no process to take frames, the newest one waits here.
 */
export class RemoteStream {
  private readonly mailbox = new Mailbox<Submission>();
  private readonly meter = new StreamMeter();
  private process: EngineProcess | undefined;
  private opened = false;
  private opening: Promise<void> = Promise.resolve();
  private untaken = 0;
  private error: Error | undefined;
  private ended = false;
  private reopening: NodeJS.Timeout | undefined;
  private tooLarge: EngineError | undefined;
  private withdraw: () => void = () => undefined;
  /** Resolves when the stream is closed: nobody waits then for an opening that will not come. */
  private readonly withdrawn = new Promise<void>((resolve) => (this.withdraw = resolve));

  /** Hears what the model does not see of a new prompt, in sentences: its end, unknown words; with a code, what the stream goes on without. */
  onWarning: (text: string, code?: ErrorCode) => void = () => undefined;

  /** The stream has gone back to its safe settings, of which the flow is to hear. */
  onGoneBack: () => void = () => undefined;

  /** Hears of every frame that the engine process finished (no error), or at which it failed; and when it was sent there. */
  onAnswer: (sentAt: number, error?: EngineError) => void = () => undefined;

  /**
   * Made by EngineSupervisor.openStream.
   * @param name for people
   * @param safe settings to go back to when `wanted` takes more memory than there is
   * @param openings where streams wait for their turn to be opened: one at a time, so that many do not keep the engine
   *   process from those that are open
   */
  constructor(
    private readonly id: number,
    readonly name: string,
    private wanted: StreamSettings,
    private readonly safe: StreamSettings,
    private conditioning: PromptSpec | undefined,
    private readonly openings: SerialQueue,
    private readonly onClose: () => void,
  ) {}

  /** What the stream is set to, or about to be. */
  get settings(): StreamSettings {
    return this.wanted;
  }

  /** The conditioning of the frames to come that bring none of their own. */
  get newestConditioning(): PromptSpec | undefined {
    return this.conditioning;
  }

  get stats(): StreamStats {
    return this.meter.stats();
  }

  get closed(): boolean {
    return this.ended;
  }

  /**
   * Settles once: finished, dropped, or rejected with an Error that has a `code`. Never blocks; the newest frame wins.
   * The frame is made under the settings that hold now, however long it waits.
   */
  submit(request: FrameRequest): Promise<FrameResult> {
    const submittedAt = performance.now();
    const frame = this.withSettings(request);
    const settled = new Promise<FrameResult>((resolve, reject) => {
      if (this.ended) reject(new EngineError('ECLOSED', 'the stream is closed'));
      else if (this.error) reject(this.error);
      else {
        const submission: Submission = { frame, resolve, reject };
        this.mailbox.put(submission)?.resolve({ outcome: 'dropped' });
        this.sendNewest();
        // What went is copied into the pipe. What waits keeps bytes of its own: the flow may draw on those it sent.
        if (this.mailbox.full) submission.frame = withOwnPictures(frame);
      }
    });
    return this.meter.watch(settled, submittedAt);
  }

  /** Live parameters, for the frames that are submitted from now on. Rejects with EBADPARAM when they cannot work; the old ones then stay. */
  async update(params: LiveParams): Promise<void> {
    const { wanted: before, process, opened } = this;
    if (isPartOf(params, before)) return;
    const after = changedOptions(before, params);
    this.wanted = after;
    this.tooLarge = undefined;
    try {
      if (!this.opened) await this.opening;
      if (this.process && this.opened) await this.process.request('update', { stream: this.id, params });
      else if (this.process) await this.openInTurn(this.process);
    } catch (thrown) {
      // A stream that was open, in a process that lives on, goes on with what it had.
      const refused = (opened && this.process === process) || isRefused(thrown, 'EBADPARAM');
      if (refused) this.wanted = withoutChange(this.wanted, params, before);
      // A process that died is followed by one that is opened with what is wanted.
      if (refused || this.ended) throw thrown;
    }
  }

  /** The conditioning of the frames to come that bring none of their own, and of those in flight as `followNewest` says. */
  async setConditioning(conditioning: PromptSpec): Promise<void> {
    const before = this.conditioning;
    this.conditioning = conditioning;
    if (!this.opened) await this.opening;
    const { process } = this;
    // Of those that waited for the opening the newest alone goes on.
    if (!process || !this.opened || this.conditioning !== conditioning) return;
    try {
      await process.request('setConditioning', { stream: this.id, conditioning });
    } catch (thrown) {
      // A process that died is followed by one that is opened with what is wanted.
      if (this.process !== process) return;
      if (this.conditioning === conditioning) this.conditioning = before;
      throw thrown;
    }
  }

  /** Drops everything in flight; their submits settle as dropped. */
  async reset(): Promise<void> {
    this.mailbox.take()?.resolve({ outcome: 'dropped' });
    const { process } = this;
    if (!process || !this.opened) return;
    await process.request('reset', { stream: this.id }).catch((thrown: unknown) => {
      // With a process that died all that was in flight is gone as well.
      if (this.process === process) throw thrown;
    });
  }

  /** Rejects what is in flight with ECLOSED. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.reopening);
    this.mailbox.take()?.reject(new EngineError('ECLOSED', 'the stream was closed'));
    this.withdraw();
    this.onClose();
    // A process that dies instead of answering has closed the stream as well.
    if (this.process && this.opened) await this.process.request('close', { stream: this.id }).catch(() => undefined);
  }

  /** Pixels that are at work at once: what a stream's memory goes by. */
  get weight(): number {
    const { width, height, tIndexList, frameBufferSize = 1 } = this.wanted;
    return width * height * tIndexList.length * frameBufferSize;
  }

  /** Gives up what it was changed to. @returns whether there was anything */
  goBack(): boolean {
    if (isDeepStrictEqual(this.safe, this.wanted)) return false;
    this.wanted = this.safe;
    this.mailbox.take()?.resolve({ outcome: 'dropped' });
    this.onGoneBack();
    return true;
  }

  /** It is opened again only under other settings; its frames end with the error until then. */
  setAside(error: EngineError): void {
    const { width, height, tIndexList, frameBufferSize = 1 } = this.wanted;
    this.tooLarge = new EngineError(
      'EMEMORY',
      `${width}x${height} with ${tIndexList.length} steps and a buffer of ${frameBufferSize} takes more memory than there is (${error.message}); choose less`,
    );
  }

  /** A process with a loaded model is there. What is wrong with the settings is heard by the next submits. */
  attach(process: EngineProcess): void {
    this.process = process;
    this.untaken = 0;
    // What ended the process before says nothing of this one: frames wait until it is this stream's turn to be opened.
    this.error = this.tooLarge;
    this.opening = this.openInTurn(process).catch(() => undefined);
  }

  /** The process is gone; another one follows unless `error` says that none will. */
  detach(error?: Error): void {
    clearTimeout(this.reopening);
    this.process = undefined;
    this.opened = false;
    this.error = error;
    if (error) this.mailbox.take()?.reject(error);
  }

  /** One of the frames that were sent has left the waiting place of the engine process. */
  taken(): void {
    this.untaken--;
    this.sendNewest();
  }

  /** A frame that waits is overtaken by changes, so it takes along what it is to be made under. */
  private withSettings(frame: FrameRequest): FrameRequest {
    const settings = frame.settings ?? this.wanted;
    const conditioning = frame.conditioning ?? (settings.followNewest === 'none' ? this.conditioning : undefined);
    return { ...frame, settings, ...(conditioning && { conditioning }) };
  }

  private openInTurn(process: EngineProcess): Promise<void> {
    return Promise.race([this.openings.run(() => this.open(process)), this.withdrawn]);
  }

  private async open(process: EngineProcess): Promise<void> {
    if (this.ended || this.process !== process) return;
    this.error = this.tooLarge;
    if (this.error) {
      this.mailbox.take()?.reject(this.error);
      throw this.error;
    }
    try {
      await process.request('open', { stream: this.id, settings: this.wanted, safe: this.safe, conditioning: this.conditioning });
      if (this.process !== process) return;
      if (this.ended) void process.request('close', { stream: this.id }).catch(() => undefined);
      this.opened = true;
      // Changes that waited for the opening go into the pipe before the first frame.
      setImmediate(() => this.sendNewest());
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (this.process === process) {
        // The settings are at fault, not the process: it stays, so that better ones can be tried.
        this.error = error;
        this.mailbox.take()?.reject(error);
        clearTimeout(this.reopening);
        if (PASSING.has(error.code) && !this.ended) this.reopening = setTimeout(() => this.attach(process), REOPEN_AFTER).unref();
      }
      throw error;
    }
  }

  private sendNewest(): void {
    if (!this.process || !this.opened || this.untaken >= MAX_UNTAKEN) return;
    const submission = this.mailbox.take();
    if (!submission) return;
    this.untaken++;
    void this.deliver(this.process, submission);
  }

  private async deliver(process: EngineProcess, { frame, resolve, reject }: Submission): Promise<void> {
    const sentAt = performance.now();
    try {
      const result = await process.request('submit', { stream: this.id, frame });
      if (!isValidFrame(result)) throw await this.distrust(process);
      if (result.outcome === 'finished') this.onAnswer(sentAt);
      resolve(result);
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (this.process === process) this.onAnswer(sentAt, error);
      reject(error);
    }
  }

  private async distrust(process: EngineProcess): Promise<EngineError> {
    const error = new EngineError('EHOST', 'the engine process sent a picture that is none, and was ended');
    await process.kill(error, true);
    return error;
  }
}

function withOwnPictures({ picture, pictures, ...frame }: FrameRequest): FrameRequest {
  return { ...frame, ...(picture && { picture: copyOf(picture) }), ...(pictures && { pictures: copiesOf(pictures) }) };
}

function isRefused(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof EngineError && thrown.code === code;
}

/** Takes a change back, but nothing that was changed after it. */
function withoutChange(settings: StreamSettings, { weights, ...params }: LiveParams, before: StreamSettings): StreamSettings {
  const restored = restore(settings, params, before);
  return weights ? { ...restored, weights: restore(settings.weights ?? {}, weights, before.weights ?? {}) } : restored;
}

/** `now` with what `change` set in it, and nobody since, as it was `before`. */
function restore<T extends object>(now: T, change: Partial<T>, before: T): T {
  const names = (Object.keys(change) as (keyof T)[]).filter((name) => Object.is(now[name], change[name]));
  const entries = Object.entries({ ...now, ...Object.fromEntries(names.map((name) => [name, before[name]])) });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
}

function isPartOf(params: LiveParams, settings: StreamSettings): boolean {
  return (Object.keys(params) as (keyof StreamSettings)[]).every((name) => JSON.stringify(params[name]) === JSON.stringify(settings[name]));
}
