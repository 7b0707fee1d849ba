import { isDeepStrictEqual } from 'node:util';
import type { DiffusionStream } from '../../stream/diffusion-stream';
import type { Frame, Prepared } from '../../stream/frame';
import type { Engine } from '../../engine';
import { EngineError, type ErrorCode } from '../../errors';
import { changedOptions } from '../../diffusion/options';
import type { DenoisedFrame } from '../../diffusion/stream-batch';
import { Overtaken } from '../../stream/size-trials';
import type { Output } from '../../types';
import { Mailbox } from '../../util/mailbox';
import { Signal } from '../../util/signal';
import type { FrameRequest, FrameResult, LiveParams, PromptSpec, StreamSettings } from '../protocol/messages';
import { splitSettings } from '../protocol/settings';
import { type FrameJob, FrameJobs } from './frame-jobs';
import { decodePictures } from './frame-pictures';
import { MissingAdapters, withKnownWeights } from './missing-adapters';
import { WarnOnce } from './warn-once';

/** An incomplete frame buffer waits this long for its missing frames, ms. */
const PARTIAL_BUFFER_WAIT = 250;
/** Errors that concern one frame and not the stream. */
const FRAME_ERRORS = new Set<ErrorCode>(['EBADFRAME', 'EBADPARAM', 'EBADPROMPT', 'ENOMODEL']);

/**
 * A stream in the engine process: a mailbox for one frame, and two concurrent loops.
 *
 * The intake takes the newest frame, decodes and encodes it. The tick loop moves all frames on by one step, with the frame
 * from the intake if there is one. Meanwhile the frames that earlier ticks finished are rendered.
 */
export class StreamWorker {
  private readonly mailbox = new Mailbox<FrameJob>();
  private readonly taken = new FrameJobs();
  private takingIn = false;
  /** Whether the last frame that was taken in could be used. */
  private promising = true;
  private ready: Prepared | undefined;
  private ticking = false;
  /** The number of ticks whose finished frames are being rendered. */
  private rendering = 0;
  /** Counts resets: a frame that was taken in before a reset does not enter the batch after it. */
  private era = 0;
  private jobs = 0;
  private readonly warnings: WarnOnce;
  private readonly missing: MissingAdapters;
  private readonly changes = new Signal();
  private closed = false;

  private constructor(
    private readonly stream: DiffusionStream,
    private settings: StreamSettings,
    private readonly onTaken: () => void,
    onWarning: (text: string, code?: ErrorCode) => void,
  ) {
    this.warnings = new WarnOnce(onWarning);
    this.missing = new MissingAdapters(stream, this.warnings);
    void this.takeIn();
    void this.tick();
  }

  /**
   * Opens a stream under `safe` and then changes it to `settings`, so that a new stream refuses the same changes as a running
   * one. Frames with settings that were refused are rejected with the reason.
   *
   * @param onTaken called whenever a frame leaves the mailbox
   * @param onWarning called with the parts of a new prompt that the model does not see; with a code, with what the stream goes on without
   */
  static async open(
    engine: Engine,
    settings: StreamSettings,
    onTaken: () => void,
    onWarning: (text: string, code?: ErrorCode) => void = () => undefined,
    safe = settings,
  ): Promise<StreamWorker> {
    const adapters = engine.info.adapters.map(({ name }) => name);
    const known = (under: StreamSettings): StreamSettings => withKnownWeights(under, adapters);
    const open = async (under: StreamSettings): Promise<StreamWorker> => {
      const stream = await engine.createStream(splitSettings(known(under)).options);
      return new StreamWorker(stream, under, onTaken, onWarning);
    };
    if (isDeepStrictEqual(safe, settings)) return open(settings);
    const worker = await open(safe).catch((thrown: unknown) => {
      if (!(thrown instanceof EngineError && FRAME_ERRORS.has(thrown.code))) throw thrown;
      return undefined;
    });
    // Where the safe settings do not work, the newer ones may.
    if (!worker) return open(settings);
    await worker.update(known(settings)).catch(() => undefined);
    return worker;
  }

  submit(frame: FrameRequest): Promise<FrameResult> {
    return new Promise((resolve, reject) => {
      const replaced = this.mailbox.put({ id: this.jobs++, frame, resolve, reject });
      if (replaced) this.drop(replaced);
      this.changes.notify();
    });
  }

  async update(params: LiveParams): Promise<void> {
    splitSettings(changedOptions(this.settings, params));
    const { format, quality, ...options } = this.missing.withoutWeights(params);
    // Only the changed options are passed on: other changes may be under way.
    if (Object.keys(options).length > 0) await this.stream.update(options);
    this.settings = changedOptions(this.settings, params);
  }

  async setConditioning(conditioning: PromptSpec): Promise<void> {
    await this.stream.setPrompt(conditioning);
    this.warnings.tell(this.stream.warnings);
  }

  /** As `setConditioning`, for a stream that replaces another: pictures that cannot be used are left out, with a warning. */
  async startUnder(conditioning: PromptSpec): Promise<void> {
    await this.missing.withoutImages(conditioning, (prompt) => this.setConditioning(prompt));
  }

  /** Answers everything that waits or is in flight as dropped. */
  async reset(): Promise<void> {
    this.era++;
    this.ready = undefined;
    const waiting = this.mailbox.take();
    if (waiting) this.drop(waiting);
    this.taken.settleAll((job) => job.resolve({ outcome: 'dropped' }));
    await this.stream.reset();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.changes.notify();
    await this.stream.close();
    const error = new EngineError('ECLOSED', 'the stream was closed');
    this.mailbox.take()?.reject(error);
    this.taken.settleAll((job) => job.reject(error));
  }

  private async takeIn(): Promise<void> {
    while (!this.closed) {
      if (!this.mailbox.full || !this.hasRoom()) {
        await this.changes.next();
        continue;
      }
      await this.stream.whenFree();
      const job = this.mailbox.take();
      if (job) await this.prepare(job);
    }
  }

  /** Whether to take in a frame: as late as possible, so that a newer one may still arrive, but before a net would be idle without it. */
  private hasRoom(): boolean {
    const { concurrency } = this.stream;
    const underWay = this.ticking ? 1 : 0;
    return !this.ready && (concurrency > 1 ? this.rendering + underWay < concurrency : !this.ticking);
  }

  /** Decodes and encodes a frame. An error of the frame itself rejects its own job only. */
  private async prepare(job: FrameJob): Promise<void> {
    const { era } = this;
    this.taken.take(job);
    this.takingIn = true;
    this.onTaken();
    try {
      const { conditioning, settings } = job.frame;
      const { options, output } = splitSettings(this.missing.withoutWeights(settings ?? this.settings));
      job.output = output;
      const admitted = await this.stream.admit(options);
      const { picture, pictures: others } = job.frame;
      const given = this.missing.withoutPictures({ ...others, ...(picture && { image: picture }) });
      const pictures = await decodePictures(given, this.stream.wantedPictures(options), options);
      const encoded =
        conditioning && (await this.missing.withoutImages(conditioning, (prompt) => this.stream.encodePrompt(prompt, options)));
      if (encoded) this.warnings.tell(encoded.warnings);
      // A raw picture is not copied: its bytes are the sender's, and several pictures may share them.
      const isOurs = picture?.kind === 'encoded';
      const prepared = await this.stream.prepare({ id: job.id, pictures, isImageOurs: isOurs, conditioning: encoded, admitted });
      this.promising = true;
      if (era === this.era) this.ready = prepared;
    } catch (thrown) {
      this.promising = false;
      if (thrown instanceof Overtaken) this.taken.settle(job.id, ({ resolve }) => resolve({ outcome: 'dropped' }));
      else this.taken.settle(job.id, ({ reject }) => reject(EngineError.from(thrown, 'EHOST')));
    }
    this.takingIn = false;
    this.changes.notify();
  }

  private async tick(): Promise<void> {
    while (!this.closed) {
      const { ready } = this;
      this.ready = undefined;
      // Waits for a frame that is about to be ready: one UNet call for all rows costs less than two.
      const isComing = this.promising && (this.takingIn || this.mailbox.full);
      if (ready || (this.stream.inFlight > 0 && !isComing)) await this.step(ready);
      else if (await this.rest()) await this.guarded(async () => this.deliver(await this.stream.flush()));
    }
  }

  /** One tick, with or without a new frame; the frames that it finished are rendered during the next ticks. */
  private async step(entering: Prepared | undefined): Promise<void> {
    this.ticking = true;
    this.changes.notify();
    await this.guarded(async () => {
      const finished = await this.denoise(entering);
      if (finished.length > 0) await this.render(finished);
    });
    this.ticking = false;
    this.changes.notify();
  }

  /** Waits only until rendering may begin: finished frames must not pile up where rendering is slower than denoising. */
  private async render(finished: DenoisedFrame<Frame>[]): Promise<void> {
    while (this.rendering >= this.stream.concurrency) await this.changes.next();
    this.rendering++;
    void this.guarded(async () => this.deliver(await this.stream.render(finished))).then(() => {
      this.rendering--;
      this.changes.notify();
    });
  }

  private async denoise(entering: Prepared | undefined): Promise<DenoisedFrame<Frame>[]> {
    try {
      return await this.stream.denoise(entering);
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (!entering || !FRAME_ERRORS.has(error.code)) throw error;
      this.taken.settle(entering.frame.id, (job) => job.reject(error));
      return [];
    }
  }

  /** When a tick fails, the state of its frames is unknown: all jobs that were taken are rejected with its error. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (this.closed) return;
      const error = EngineError.from(thrown, 'EHOST');
      this.taken.settleAll((job) => job.reject(error));
      await this.reset().catch(() => undefined); // it was closed meanwhile
    }
  }

  private deliver(outputs: Output[]): void {
    this.taken.deliver(outputs, () => splitSettings(this.settings).output);
  }

  /**
   * Waits until something changes.
   *
   * @returns whether a frame buffer has waited long enough for its missing frames instead
   */
  private async rest(): Promise<boolean> {
    if (this.stream.buffered === 0 || this.takingIn) return this.changes.next().then(() => false);
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(true), PARTIAL_BUFFER_WAIT)));
    const result = await Promise.race([overdue, this.changes.next().then(() => false)]);
    clearTimeout(timer);
    return result;
  }

  private drop(job: FrameJob): void {
    this.onTaken();
    job.resolve({ outcome: 'dropped' });
  }
}
