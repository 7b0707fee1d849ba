import { isDeepStrictEqual } from 'node:util';
import type { DiffusionStream } from '../../stream/diffusion-stream';
import type { Frame, Prepared } from '../../stream/frame';
import type { Engine } from '../../engine';
import { EngineError, type ErrorCode } from '../../errors';
import { changedOptions } from '../../diffusion/options';
import type { Picture } from '../../image/picture';
import type { DenoisedFrame } from '../../diffusion/stream-batch';
import { strangePicture } from '../../stream/frame-encoder';
import { Overtaken } from '../../stream/size-trials';
import type { Output, RawImage, StreamOptions } from '../../types';
import { quote } from '../../util/quote';
import { imagesIn, withoutImages } from '../../prompt/request';
import { Mailbox } from '../../util/mailbox';
import { Signal } from '../../util/signal';
import type { PromptSpec, FrameRequest, FrameResult, LiveParams, StreamSettings } from '../protocol/messages';
import { splitSettings } from '../protocol/settings';
import { type FrameJob, FrameJobs } from './frame-jobs';
import { decodePictures } from './frame-pictures';

/** How long an incomplete frame buffer is waited for, ms. */
const PARTIAL_BUFFER_WAIT = 250;
const WARNINGS_REMEMBERED = 100;
/** Errors that concern one frame and not the stream. */
const FRAME_ERRORS = new Set<ErrorCode>(['EBADFRAME', 'EBADPARAM', 'EBADPROMPT', 'ENOMODEL']);

/**
 * A stream in the engine process: a waiting place for one frame, and two loops that run beside each other.
 *
 * The intake takes the newest frame, decodes and encodes it. The tick loop moves all frames one step on, with the frame
 * from the intake if there is one. Meanwhile the frames that earlier ticks finished become pictures.
 */
export class StreamWorker {
  private readonly mailbox = new Mailbox<FrameJob>();
  private readonly taken = new FrameJobs();
  private takingIn = false;
  /** Whether the last frame that was taken could be used. */
  private promising = true;
  private ready: Prepared | undefined;
  private ticking = false;
  /** Ticks whose finished frames are being turned into pictures. */
  private rendering = 0;
  /** Counts resets: what was taken in before one is not let in after it. */
  private era = 0;
  private jobs = 0;
  private readonly told = new Set<string>();
  private readonly changes = new Signal();
  private closed = false;

  private constructor(
    private readonly stream: DiffusionStream,
    private settings: StreamSettings,
    private readonly onTaken: () => void,
    private readonly onWarning: (text: string, code?: ErrorCode) => void,
  ) {
    void this.takeIn();
    void this.tick();
  }

  /**
   * Opens it under `safe`, and changes it to `settings` from there: what a running stream would refuse to change to, a new
   * one does as well. The frames that bring such settings hear of it.
   *
   * @param onTaken called whenever a frame leaves the waiting place
   * @param onWarning called with what the model does not see of a new prompt; with a code, what the stream goes on without
   */
  static async open(
    engine: Engine,
    settings: StreamSettings,
    onTaken: () => void,
    onWarning: (text: string, code?: ErrorCode) => void = () => undefined,
    safe = settings,
  ): Promise<StreamWorker> {
    const adapters = engine.info.adapters.map(({ name }) => name);
    const known = (under: StreamSettings): StreamSettings => withoutWeights(under, strangersIn(under, adapters));
    const open = async (under: StreamSettings): Promise<StreamWorker> => {
      const stream = await engine.createStream(splitSettings(known(under)).options);
      return new StreamWorker(stream, under, onTaken, onWarning);
    };
    if (isDeepStrictEqual(safe, settings)) return open(settings);
    const worker = await open(safe).catch((thrown: unknown) => {
      if (!(thrown instanceof EngineError && FRAME_ERRORS.has(thrown.code))) throw thrown;
      return undefined;
    });
    // Where those cannot work, better ones may have come.
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
    const { format, quality, ...options } = this.withoutStrangers(params);
    // What changes and no more: other changes may be under way.
    if (Object.keys(options).length > 0) await this.stream.update(options);
    this.settings = changedOptions(this.settings, params);
  }

  async setConditioning(conditioning: PromptSpec): Promise<void> {
    await this.stream.setPrompt(conditioning);
    this.warn(this.stream.warnings);
  }

  /** As `setConditioning`, for a stream that goes on where another one was: pictures that cannot be shown are left out, which is told. */
  async startUnder(conditioning: PromptSpec): Promise<void> {
    await this.leavingOutPictures(conditioning, (prompt) => this.setConditioning(prompt));
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

  /** As late as possible, so that a newer frame may still come, but before a net would have to wait for it. */
  private hasRoom(): boolean {
    const { concurrency } = this.stream;
    const underWay = this.ticking ? 1 : 0;
    return !this.ready && (concurrency > 1 ? this.rendering + underWay < concurrency : !this.ticking);
  }

  /** An error of the frame itself rejects its own job only. */
  private async prepare(job: FrameJob): Promise<void> {
    const { era } = this;
    this.taken.take(job);
    this.takingIn = true;
    this.onTaken();
    try {
      const { conditioning, settings } = job.frame;
      const { options, output } = splitSettings(this.withoutStrangers(settings ?? this.settings));
      job.output = output;
      const admitted = await this.stream.admit(options);
      const pictures = await this.decoded(job.frame, options);
      const encoded = conditioning && (await this.leavingOutPictures(conditioning, (prompt) => this.stream.encodePrompt(prompt, options)));
      if (encoded) this.warn(encoded.warnings);
      // Bytes of a raw picture are those that came, which may be several pictures.
      const isOurs = job.frame.picture?.kind === 'encoded';
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
      // A frame that is about to be ready is worth waiting for: one UNet call for all rows costs less than two.
      const isComing = this.promising && (this.takingIn || this.mailbox.full);
      if (ready || (this.stream.inFlight > 0 && !isComing)) await this.step(ready);
      else if (await this.rest()) await this.guarded(async () => this.deliver(await this.stream.flush()));
    }
  }

  /** One tick, with a new frame or without; what it finished is rendered beside the next ones. */
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

  /** Waits only until rendering may begin: pictures must not pile up when they are made more slowly than frames are denoised. */
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

  /** When a tick fails, the state of its frames is unknown: all that were taken end with its error. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (this.closed) return;
      const error = EngineError.from(thrown, 'EHOST');
      this.taken.settleAll((job) => job.reject(error));
      await this.reset().catch(() => undefined); // closed meanwhile
    }
  }

  /** The pictures that the frame is rendered from. Those that no adapter wants are left out, and the flow is told so. */
  private async decoded({ picture, pictures }: FrameRequest, options: StreamOptions): Promise<Record<string, RawImage>> {
    const given: Record<string, Picture> = { ...pictures, ...(picture && { image: picture }) };
    const known = this.stream.knownPictures;
    const strangers = Object.keys(given).filter((name) => !known.includes(name));
    this.warn(
      strangers.map((name) => `${strangePicture(name, known)}; the stream goes on without it`),
      'EBADPARAM',
    );
    return decodePictures(given, this.stream.wantedPictures(options), options);
  }

  /** Strengths may be older than the engine, from which an adapter has been removed: the stream goes on under the others. */
  private withoutStrangers<S extends LiveParams>(settings: S): S {
    const strangers = strangersIn(settings, this.stream.adapters);
    this.warn(
      strangers.map((name) => `weights: this engine has no adapter called ${quote(name)}; the stream goes on without it`),
      'EBADPARAM',
    );
    return withoutWeights(settings, strangers);
  }

  /** Does something with a prompt; where that fails because of its pictures without them: an adapter may have been removed. */
  private async leavingOutPictures<T>(prompt: PromptSpec, work: (prompt: PromptSpec) => Promise<T>): Promise<T> {
    try {
      return await work(prompt);
    } catch (thrown) {
      if (imagesIn(prompt).length === 0) throw thrown;
      const done = await work(withoutImages(prompt));
      const { code, message } = EngineError.from(thrown, 'EHOST');
      this.warn([`${message}; the stream goes on without the picture`], code);
      return done;
    }
  }

  /** Tells each text once: prompts may change with every frame. */
  private warn(warnings: string[], code?: ErrorCode): void {
    for (const text of warnings) {
      if (this.told.has(text)) continue;
      if (this.told.size >= WARNINGS_REMEMBERED) this.told.clear();
      this.told.add(text);
      this.onWarning(text, code);
    }
  }

  private deliver(outputs: Output[]): void {
    this.taken.deliver(outputs, () => splitSettings(this.settings).output);
  }

  /**
   * Until something changes.
   *
   * @returns whether instead a frame buffer has waited long enough for its missing frames
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

/** Names of weights that no adapter has. */
function strangersIn({ weights = {} }: LiveParams, adapters: readonly string[]): string[] {
  return Object.keys(weights).filter((name) => !adapters.includes(name));
}

function withoutWeights<S extends LiveParams>(settings: S, names: readonly string[]): S {
  if (names.length === 0) return settings;
  const kept = Object.entries(settings.weights ?? {}).filter(([name]) => !names.includes(name));
  return { ...settings, weights: Object.fromEntries(kept) };
}
