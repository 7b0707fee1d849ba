import { changedOptions, type ResolvedOptions } from '../diffusion/options';
import type { StreamSetup } from '../diffusion/setup';
import type { DenoisedFrame } from '../diffusion/stream-batch';
import { EngineError } from '../errors';
import type { Model } from '../model/model';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { PromptSpec } from '../prompt/request';
import { WeightedPrompts } from '../prompt/weighted-prompts';
import type { FrameId, Output, Prompt, RawImage, Stream, StreamInput, StreamOptions } from '../types';
import { SerialQueue } from '../util/serial-queue';
import { type Frame, followsPrompt, type Prepared } from './frame';
import { FrameDecoder } from './frame-decoder';
import { FrameEncoder } from './frame-encoder';
import { LiveSettings } from './live-settings';
import { named } from './named-prompt';
import { SetupCache } from './setup-cache';
import type { SharedUnet } from './shared-unet';
import { SizeTrials } from './size-trials';
import { embedsPair, UnetBatcher } from './unet-batcher';

export interface FrameInput extends StreamInput {
  /** The encoded prompt of this frame alone. */
  conditioning?: EncodedPrompt;
  /** Whether nobody else needs the bytes of `image`, including the frame's other pictures. */
  isImageOurs?: boolean;
  /** All settings of this frame instead of the stream's, as returned by {@link DiffusionStream.admit}. */
  admitted?: StreamSetup;
}

/**
 * A stream, in three stages: pictures are encoded into latents, latents go through the stream batch, and finished latents
 * are decoded into pictures.
 *
 * Each stage keeps the order of calls, but one frame can be in the UNet while earlier frames are decoded and the next one is
 * encoded.
 */
export class DiffusionStream implements Stream {
  private readonly prompts: WeightedPrompts;
  private readonly batch: UnetBatcher;
  private conditioning: EncodedPrompt | undefined;
  /** The prompt that `conditioning` was encoded from. */
  private prompt: Prompt | PromptSpec = { prompt: '' };
  private readonly setups: SetupCache;
  private readonly pictures: FrameEncoder;
  private readonly decoder: FrameDecoder;
  /** The prompts since the last frame. */
  private waitingPrompts: { newest?: Prompt | PromptSpec } = {};
  private readonly settings: LiveSettings;
  private frames = 0;
  private readonly intake = new SerialQueue();
  private readonly ticks = new SerialQueue();
  private closed = false;

  private constructor(
    private readonly model: Model,
    unet: SharedUnet,
    options: StreamOptions,
    private readonly onClose: (stream: DiffusionStream) => void,
    trials: SizeTrials,
  ) {
    this.prompts = new WeightedPrompts(model.textEncoder);
    this.setups = new SetupCache(model, trials);
    this.pictures = new FrameEncoder(model);
    this.decoder = new FrameDecoder(model);
    this.batch = new UnetBatcher(model, unet, this.pictures, (probe, latent) => this.decoder.sample(probe, latent));
    this.settings = new LiveSettings(this.setups, options);
  }

  /** Opens a stream, after checking the options and that the model works at this size; `trials` are shared by the streams of an engine. */
  static async open(
    model: Model,
    unet: SharedUnet,
    options: StreamOptions,
    onClose: (stream: DiffusionStream) => void,
    trials = new SizeTrials(model, unet),
  ): Promise<DiffusionStream> {
    const stream = new DiffusionStream(model, unet, options, onClose, trials);
    await stream.setups.prepare(options);
    return stream;
  }

  get options(): ResolvedOptions {
    return this.settings.options;
  }

  /** The number of nets of its engine that can run in parallel. */
  get concurrency(): number {
    return this.model.concurrency;
  }

  /** The number of frames in the batch. */
  get inFlight(): number {
    return this.batch.inFlight;
  }

  /** The number of frames that wait for their frame buffer to fill. */
  get buffered(): number {
    return this.batch.buffered;
  }

  /** The names of the pictures that frames may bring. */
  get knownPictures(): string[] {
    return this.pictures.known;
  }

  /** The names of the pictures that a frame is rendered from under these options. */
  wantedPictures(options: StreamOptions): string[] {
    return this.pictures.wanted(options);
  }

  /** The names of the engine's adapters. */
  get adapters(): string[] {
    return this.model.info.adapters.map(({ name }) => name);
  }

  /** The parts of the stream's prompt that the model does not see, in sentences. */
  get warnings(): string[] {
    return this.conditioning?.warnings ?? [];
  }

  /** Sets the prompt. Prompts may come faster than they can be encoded: only the newest one between two frames is. */
  setPrompt(prompt: Prompt | PromptSpec): Promise<void> {
    const { waitingPrompts } = this;
    waitingPrompts.newest = prompt;
    return this.inQueue(this.intake, async () => {
      if (waitingPrompts.newest !== prompt) return;
      const conditioning = await this.encodePrompt(prompt);
      const pair = embedsPair(conditioning, this.settings.setup);
      this.conditioning = conditioning;
      this.prompt = prompt;
      this.batch.setConditioning(pair);
    });
  }

  /** Changes options. A change that takes long to prepare is skipped if a newer call sets the same option. */
  update(params: Partial<StreamOptions>): Promise<void> {
    const update = this.settings.begin(params);
    return this.inQueue(this.intake, async () => {
      const { denoising } = await this.settings.apply(update);
      await this.inQueue(this.ticks, async () => this.batch.setDenoising(denoising));
    }).finally(() => this.settings.end(update));
  }

  async process(input: FrameInput = {}): Promise<Output[]> {
    const prepared = await this.prepare(input);
    return this.handOut(await this.denoise(prepared));
  }

  async flush(): Promise<Output[]> {
    await this.inQueue(this.intake, async () => undefined);
    return this.handOut(await this.inQueue(this.ticks, () => this.batch.drain()));
  }

  /** Resolves when the next frame can be encoded without waiting for others. */
  async whenFree(): Promise<void> {
    if (this.options.mode === 'img2img') await this.model.vaeEncoder?.place.whenFree();
  }

  /**
   * Resolves when frames can be rendered under these settings, for {@link prepare}. Settings that would be refused are refused
   * here, before a picture is decoded to their size. Rejects as `prepare` does.
   */
  admit(options: StreamOptions): Promise<StreamSetup> {
    return this.setups.prepare(options, this.settings.change());
  }

  /**
   * The first stage: encodes a frame's picture, under the stream's settings at the time of the call. Rejects with Overtaken when
   * newer settings arrive while its own are being prepared.
   */
  prepare(input: FrameInput): Promise<Prepared> {
    const enteredAt = performance.now();
    this.waitingPrompts = {};
    const change = this.settings.change();
    return this.inQueue(this.intake, async () => {
      const { latent: start, id, prompt, params, admitted } = input;
      const given: Record<string, RawImage> = { ...input.pictures, ...(input.image && { image: input.image }) };
      const { image, mask, ...others } = given;
      const wanted = admitted ?? (params ? await this.setups.prepare(changedOptions(this.options, params), change) : this.settings.setup);
      const moved = this.pictures.forMotion(wanted.options, image);
      const setup = moved === wanted.options ? wanted : this.setups.get(moved);
      const own = input.conditioning ?? (prompt && (await this.encodePrompt(prompt, setup.options)));
      const conditioning = own ?? (await this.ownPrompt(setup.options));
      if (!own) this.conditioning = conditioning;
      embedsPair(conditioning, setup);
      const masked = await this.pictures.masked(image, mask, setup);
      const latent =
        setup.options.mode === 'img2img'
          ? await this.pictures.encode(image, setup.options, masked?.mask, input.isImageOurs)
          : this.pictures.given(start, setup.shape);
      const pictures = await this.pictures.forAdapters(others, setup.options);
      const frame = {
        id: id ?? this.frames++,
        enteredAt,
        shape: setup.shape,
        follow: setup.options.followNewest,
        hasPrompt: own !== undefined,
        masked,
      };
      return { frame, setup, latent, pictures, conditioning, prompt: this.prompt };
    });
  }

  /**
   * The second stage: adds a frame to the batch, if there is one, and moves all frames on by one step. Frames wait until their
   * frame buffer is full.
   *
   * @returns the frames that have finished their last step, for {@link render}
   */
  denoise(prepared?: Prepared): Promise<DenoisedFrame<Frame>[]> {
    return this.inQueue(this.ticks, async () => {
      if (!prepared) return this.batch.tick();
      const { frame, conditioning, prompt } = prepared;
      const isOutdated = prompt !== this.prompt && followsPrompt(frame) && !frame.hasPrompt;
      return this.batch.enter(prepared, isOutdated ? (this.conditioning ?? conditioning) : conditioning);
    });
  }

  /** The third stage: decodes finished latents, never resolving before earlier calls. The pictures must not be changed: a later frame may be mixed with them. */
  async render(finished: DenoisedFrame<Frame>[]): Promise<Output[]> {
    this.checkOpen();
    const outputs = await this.decoder.render(finished);
    const last = outputs.at(-1);
    if (last) this.pictures.rendered(last.image);
    return outputs;
  }

  /** Removes all frames in flight, unfinished. */
  reset(): Promise<FrameId[]> {
    return this.inQueue(this.ticks, async () => {
      const ids = this.batch.reset();
      this.pictures.restart();
      return ids;
    });
  }

  /** Encodes prompts for `prepare({ conditioning })`. */
  async encodePrompt(prompt: Prompt | PromptSpec, { weights }: Pick<StreamOptions, 'weights'> = this.options): Promise<EncodedPrompt> {
    const { prompt: texts, brought } = named(prompt);
    return this.prompts.encode(texts, this.model.picturePrompts.show(brought), weights);
  }

  /** Rejects calls that have not begun with ECLOSED, and waits for those under way. */
  async close(): Promise<void> {
    if (!this.closed) this.onClose(this);
    this.closed = true;
    await Promise.all([this.intake.idle(), this.ticks.idle(), this.decoder.idle()]);
  }

  /** Renders frames whose pictures the caller may change. */
  private async handOut(finished: DenoisedFrame<Frame>[]): Promise<Output[]> {
    const outputs = await this.render(finished);
    if (outputs.length > 0) this.pictures.handOut();
    return outputs;
  }

  private inQueue<T>(queue: SerialQueue, work: () => Promise<T>): Promise<T> {
    return queue.run(async () => {
      this.checkOpen();
      return work();
    });
  }

  /** The stream's prompt, encoded under the adapter strengths of a frame. */
  private async ownPrompt({ weights }: ResolvedOptions): Promise<EncodedPrompt> {
    if (this.conditioning && !this.prompts.dependOnWeights) return this.conditioning;
    return this.encodePrompt(this.prompt, { weights });
  }

  private checkOpen(): void {
    if (this.closed) throw new EngineError('ECLOSED', 'the stream is closed; create a new one');
  }
}
