import { isDeepStrictEqual } from 'node:util';
import { EngineError, type ErrorCode } from '../../errors';
import { changedOptions } from '../../diffusion/options';
import type { SerialQueue } from '../../util/serial-queue';
import type { EngineProcess } from './engine-process';
import { FrameSender } from './frame-sender';
import type { PromptSpec, FrameRequest, FrameResult, LiveParams, StreamSettings, StreamStats } from '../protocol/messages';
import { isPartOf, withoutChange } from './setting-changes';
import { StreamMeter } from './stream-meter';

/** Errors that another try may fix, such as an unreachable inference server. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ENETWORK', 'ETIMEOUT', 'EDENIED']);
/** The pause before that try, ms. */
const REOPEN_AFTER = 2000;

/**
 * The flow's side of a stream. It outlives the engine process: after a crash it is opened in the next process, with the same
 * settings and conditioning. While no process takes frames, the newest one waits.
 */
export class RemoteStream {
  private readonly sender: FrameSender;
  private readonly meter = new StreamMeter();
  private process: EngineProcess | undefined;
  private opened = false;
  private opening: Promise<void> = Promise.resolve();
  private error: Error | undefined;
  private ended = false;
  private reopening: NodeJS.Timeout | undefined;
  private tooLarge: EngineError | undefined;
  private withdraw: () => void = () => undefined;
  /** Resolves when the stream is closed, so that nobody waits for an opening that will not come. */
  private readonly withdrawn = new Promise<void>((resolve) => (this.withdraw = resolve));

  /** Called with the parts of a new prompt that the model does not see, in sentences; with a code, with what the stream goes on without. */
  onWarning: (text: string, code?: ErrorCode) => void = () => undefined;

  /** Called when the stream has gone back to its safe settings. */
  onGoneBack: () => void = () => undefined;

  /** Called for every frame that the engine process finished (no error) or failed at, with the time when it was sent. */
  onAnswer: (sentAt: number, error?: EngineError) => void = () => undefined;

  /**
   * Created by EngineSupervisor.openStream.
   *
   * @param name the stream's name, for people
   * @param safe the settings to go back to when `wanted` takes more memory than there is
   * @param openings the queue in which streams are opened one at a time, so that many do not delay those that are open
   */
  constructor(
    private readonly id: number,
    readonly name: string,
    private wanted: StreamSettings,
    private readonly safe: StreamSettings,
    private conditioning: PromptSpec | undefined,
    private readonly openings: SerialQueue,
    private readonly onClose: () => void,
  ) {
    this.sender = new FrameSender(id, (sentAt, error) => this.onAnswer(sentAt, error));
  }

  /** The stream's settings, or those that it is changing to. */
  get settings(): StreamSettings {
    return this.wanted;
  }

  /** The conditioning of coming frames without one of their own. */
  get newestConditioning(): PromptSpec | undefined {
    return this.conditioning;
  }

  get stats(): StreamStats {
    return this.meter.stats();
  }

  /** The number of frames that were sent and have not left the mailbox of the engine process. */
  get untaken(): number {
    return this.sender.untaken;
  }

  get closed(): boolean {
    return this.ended;
  }

  /**
   * Settles once: finished, dropped, or rejected with an Error that has a `code`. Never blocks; the newest frame wins.
   * The frame is rendered under the settings of this moment, however long it waits.
   */
  submit(request: FrameRequest): Promise<FrameResult> {
    const submittedAt = performance.now();
    const error = this.ended ? new EngineError('ECLOSED', 'the stream is closed') : this.error;
    return this.meter.watch(error ? Promise.reject(error) : this.sender.send(this.withSettings(request)), submittedAt);
  }

  /** Sets live parameters for the frames that are submitted from now on. Rejects with EBADPARAM when they are invalid, and keeps the old ones then. */
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
      // A stream that was open in a process that still runs goes on with its old settings.
      const refused = (opened && this.process === process) || isRefused(thrown, 'EBADPARAM');
      if (refused) this.wanted = withoutChange(this.wanted, params, before);
      // After a process that ended, the stream is opened in the next one with the new value.
      if (refused || this.ended) throw thrown;
    }
  }

  /** Sets the conditioning of coming frames without one of their own, and of frames in flight as `followNewest` says. */
  async setConditioning(conditioning: PromptSpec): Promise<void> {
    const before = this.conditioning;
    this.conditioning = conditioning;
    if (!this.opened) await this.opening;
    const { process } = this;
    // Of several calls that waited for the opening, only the newest continues.
    if (!process || !this.opened || this.conditioning !== conditioning) return;
    try {
      await process.request('setConditioning', { stream: this.id, conditioning });
    } catch (thrown) {
      // After a process that ended, the stream is opened in the next one with the new value.
      if (this.process !== process) return;
      if (this.conditioning === conditioning) this.conditioning = before;
      throw thrown;
    }
  }

  /** Drops everything in flight; their submits settle as dropped. */
  async reset(): Promise<void> {
    this.sender.drop();
    const { process } = this;
    if (!process || !this.opened) return;
    await process.request('reset', { stream: this.id }).catch((thrown: unknown) => {
      // A process that ended has dropped everything in flight as well.
      if (this.process === process) throw thrown;
    });
  }

  /** Rejects everything in flight with ECLOSED. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.reopening);
    this.sender.reject(new EngineError('ECLOSED', 'the stream was closed'));
    this.withdraw();
    this.onClose();
    // A process that ends instead of answering has closed the stream as well.
    if (this.process && this.opened) await this.process.request('close', { stream: this.id }).catch(() => undefined);
  }

  /** The number of pixels in the batch, which a stream's memory is proportional to. */
  get weight(): number {
    const { width, height, tIndexList, frameBufferSize = 1 } = this.wanted;
    return width * height * tIndexList.length * frameBufferSize;
  }

  /** Goes back to the safe settings. @returns whether they differ from the present ones */
  goBack(): boolean {
    if (isDeepStrictEqual(this.safe, this.wanted)) return false;
    this.wanted = this.safe;
    this.sender.drop();
    this.onGoneBack();
    return true;
  }

  /** Suspends the stream: it is opened again only under other settings, and its frames are rejected until then. */
  setAside(error: EngineError): void {
    const { width, height, tIndexList, frameBufferSize = 1 } = this.wanted;
    this.tooLarge = new EngineError(
      'EMEMORY',
      `${width}x${height} with ${tIndexList.length} steps and a buffer of ${frameBufferSize} takes more memory than there is (${error.message}); choose smaller values`,
    );
  }

  /** Opens the stream in a process with a loaded model. Errors of the settings are reported by the next submits. */
  attach(process: EngineProcess): void {
    this.process = process;
    // The error that ended the last process does not concern this one: frames wait until the stream is opened.
    this.error = this.tooLarge;
    this.opening = this.openInTurn(process).catch(() => undefined);
  }

  /** The process has ended. Another one follows unless there is an `error`. */
  detach(error?: Error): void {
    clearTimeout(this.reopening);
    this.process = undefined;
    this.opened = false;
    this.error = error;
    this.sender.hold();
    if (error) this.sender.reject(error);
  }

  /** One of the frames that were sent has left the mailbox of the engine process. */
  taken(): void {
    this.sender.taken();
  }

  /** The frame with the settings and the conditioning of this moment: they may change while it waits. */
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
      this.sender.reject(this.error);
      throw this.error;
    }
    try {
      await process.request('open', { stream: this.id, settings: this.wanted, safe: this.safe, conditioning: this.conditioning });
      if (this.process !== process) return;
      if (this.ended) void process.request('close', { stream: this.id }).catch(() => undefined);
      this.opened = true;
      // Changes that waited for the opening are sent before the first frame.
      setImmediate(() => this.process === process && this.opened && this.sender.open(process));
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (this.process === process) {
        // The settings are at fault and not the process, which goes on so that others can be tried.
        this.error = error;
        this.sender.reject(error);
        clearTimeout(this.reopening);
        if (PASSING.has(error.code) && !this.ended) this.reopening = setTimeout(() => this.attach(process), REOPEN_AFTER).unref();
      }
      throw error;
    }
  }
}

function isRefused(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof EngineError && thrown.code === code;
}
