import type { ConditionedInput, DiffusionStream, Frame } from '../diffusion-stream';
import type { Engine } from '../engine';
import { EngineError, type ErrorCode } from '../errors';
import { decode, encode } from '../image/codec';
import type { PromptConditioning } from '../prompt/prompt-encoder';
import type { Denoised } from '../stream/stream-batch';
import type { Output, RawImage, StreamOptions } from '../types';
import { Mailbox } from './mailbox';
import type { ConditioningRequest, FrameRequest, FrameResult, LiveParams, PictureFormat, StreamSettings } from './messages';
import { splitSettings } from './settings';

interface Job {
  id: number;
  frame: FrameRequest;
  resolve: (result: FrameResult) => void;
  reject: (error: EngineError) => void;
}

/** A job whose picture is being decoded. */
interface PreparedJob {
  job: Job;
  image: Promise<RawImage | undefined>;
}

/** A frame buffer that does not fill up is given up waiting for after this time, ms. */
const PARTIAL_BUFFER_WAIT = 250;
/** Conditionings of frames that bring their own, by content. */
const CONDITIONINGS_KEPT = 32;
/** What can be wrong with one frame without anything being wrong with the stream. */
const FRAME_ERRORS = new Set<ErrorCode>(['EBADFRAME', 'EBADPARAM', 'EBADPROMPT', 'ENOMODEL']);

/**
 * A stream in the engine process: one waiting place, and a loop that takes the newest frame whenever the nets are free,
 * or moves the frames in flight on when there is none.
 */
export class HostedStream {
  private readonly mailbox = new Mailbox<Job>();
  private prepared: PreparedJob | undefined;
  /** Jobs that were taken and have not been answered. */
  private readonly taken = new Map<number, Job>();
  private readonly conditionings = new Map<string, Promise<PromptConditioning>>();
  private jobs = 0;
  private warned = '';
  private delivery: Promise<void> = Promise.resolve();
  private wake: () => void = () => undefined;
  private closed = false;

  private constructor(
    private readonly stream: DiffusionStream,
    private output: { format: PictureFormat; quality: number },
    private readonly onTaken: () => void,
    private readonly onWarning: (text: string) => void,
  ) {
    void this.work();
  }

  /**
   * @param onTaken called whenever a frame leaves the waiting place
   * @param onWarning called with what the model does not see of a new prompt
   */
  static async open(engine: Engine, settings: StreamSettings, onTaken: () => void, onWarning: (text: string) => void = () => undefined): Promise<HostedStream> {
    const { options, output } = splitSettings(settings);
    const stream = await engine.createStream(options as StreamOptions);
    return new HostedStream(stream, { format: 'jpeg', quality: 85, ...output }, onTaken, onWarning);
  }

  submit(frame: FrameRequest): Promise<FrameResult> {
    return new Promise((resolve, reject) => {
      const replaced = this.mailbox.put({ id: this.jobs++, frame, resolve, reject });
      if (replaced) this.drop(replaced);
      this.wake();
    });
  }

  async update(params: LiveParams): Promise<void> {
    const { options, output } = splitSettings(params);
    if (Object.keys(options).length > 0) await this.stream.update(options);
    this.output = { ...this.output, ...output };
  }

  async setConditioning(conditioning: ConditioningRequest): Promise<void> {
    this.warn(await this.encodePrompt(conditioning));
    await this.stream.setPrompt(conditioning);
  }

  /** Everything that waits or is in flight is answered as dropped. */
  async reset(): Promise<void> {
    const waiting = this.mailbox.take();
    if (waiting) this.drop(waiting);
    for (const id of await this.stream.reset()) this.settle(id, (job) => job.resolve({ outcome: 'dropped' }));
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.stream.close();
    const error = new EngineError('ECLOSED', 'the stream was closed');
    for (const job of [this.mailbox.take(), this.prepared?.job, ...this.taken.values()]) job?.reject(error);
    this.taken.clear();
  }

  private async work(): Promise<void> {
    while (!this.closed) {
      const prepared = this.prepared ?? this.prepare();
      this.prepared = undefined;
      if (prepared) await this.enter(prepared);
      else if (this.stream.inFlight > 0) await this.guarded(async () => this.finish(await this.stream.denoise()));
      else await this.rest();
    }
  }

  /** One tick with a new frame. What is wrong with the frame itself harms no other. */
  private async enter(prepared: PreparedJob): Promise<void> {
    await this.guarded(async () => {
      try {
        await this.finish(await this.stream.denoise(await this.input(prepared)));
      } catch (thrown) {
        const error = EngineError.from(thrown, 'EHOST');
        if (!FRAME_ERRORS.has(error.code)) throw error;
        this.settle(prepared.job.id, (job) => job.reject(error));
      }
    });
  }

  /** When a tick fails nobody knows what became of the frames in it: all of them end with its error. */
  private async guarded(tick: () => Promise<void>): Promise<void> {
    try {
      await tick();
    } catch (thrown) {
      if (this.closed) return;
      const error = EngineError.from(thrown, 'EHOST');
      for (const id of [...this.taken.keys()]) if (id !== this.prepared?.job.id) this.settle(id, (job) => job.reject(error));
      await this.stream.reset();
    }
  }

  private async finish(finished: Denoised<Frame>[]): Promise<void> {
    if (finished.length === 0) return;
    // Frames that arrived during the UNet's call are still in the pipe: let the event loop read them, then decode the
    // newest one while the autoencoder runs.
    await new Promise(setImmediate);
    this.prepared = this.prepare();
    for (const output of await this.stream.render(finished)) this.deliver(output);
  }

  /** Takes the newest frame and begins to decode it. */
  private prepare(): PreparedJob | undefined {
    const job = this.mailbox.take();
    if (!job) return undefined;
    this.taken.set(job.id, job);
    this.onTaken();
    const { picture } = job.frame;
    const { mode, width, height } = this.stream.options;
    const image = mode === 'img2img' && picture ? decode(picture, width, height) : Promise.resolve(undefined);
    image.catch(() => undefined); // heard when it is awaited
    return { job, image };
  }

  private async input({ job, image }: PreparedJob): Promise<ConditionedInput> {
    const { conditioning } = job.frame;
    const encoded = conditioning && (await this.encodePrompt(conditioning));
    if (encoded) this.warn(encoded);
    return { id: job.id, image: await image, conditioning: encoded };
  }

  /** Once for prompts that stay, also where their weights change from frame to frame. */
  private warn({ warnings }: PromptConditioning): void {
    const text = warnings.join(' ');
    if (text !== this.warned && text !== '') this.onWarning(text);
    this.warned = text;
  }

  private encodePrompt(request: ConditioningRequest): Promise<PromptConditioning> {
    const key = JSON.stringify(request);
    const encoded = this.conditionings.get(key) ?? this.stream.encodePrompt(request);
    this.conditionings.delete(key);
    this.conditionings.set(key, encoded);
    if (this.conditionings.size > CONDITIONINGS_KEPT) this.conditionings.delete(this.conditionings.keys().next().value as string);
    encoded.catch(() => this.conditionings.delete(key));
    return encoded;
  }

  /** Encodes beside the nets; results leave in the order of their frames. */
  private deliver({ id, image, latencyMs }: Output): void {
    const { format, quality } = this.output;
    const encoded = format === 'raw' ? Promise.resolve(image.data) : encode(image, format, quality);
    const result = encoded.then((data) => ({ outcome: 'finished' as const, data, format, width: image.width, height: image.height, latencyMs }));
    this.delivery = Promise.allSettled([result, this.delivery]).then(([settled]) =>
      this.settle(id as number, (job) =>
        settled.status === 'fulfilled' ? job.resolve(settled.value) : job.reject(EngineError.from(settled.reason, 'EHOST')),
      ),
    );
  }

  /** Until a frame comes, or a frame buffer has waited long enough for its missing frames. */
  private async rest(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = await new Promise<boolean>((resolve) => {
      this.wake = () => resolve(false);
      if (this.mailbox.full || this.closed) resolve(false);
      else if (this.stream.buffered > 0) timer = setTimeout(() => resolve(true), PARTIAL_BUFFER_WAIT);
    });
    clearTimeout(timer);
    if (overdue) await this.guarded(async () => (await this.stream.flush()).forEach((output) => this.deliver(output)));
  }

  private drop(job: Job): void {
    this.onTaken();
    job.resolve({ outcome: 'dropped' });
  }

  private settle(id: unknown, how: (job: Job) => void): void {
    const job = this.taken.get(id as number);
    this.taken.delete(id as number);
    if (job) how(job);
  }
}
