import { changedOptions, type ResolvedOptions } from '../diffusion/options';
import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import type { DenoisedFrame } from '../diffusion/stream-batch';
import { EngineError } from '../errors';
import { toThumbnail } from '../image/pixels';
import type { Model } from '../model/model';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { PromptSpec } from '../prompt/request';
import { WeightedPrompts } from '../prompt/weighted-prompts';
import type { FrameId, Output, Prompt, RawImage, Stream, StreamInput, StreamOptions } from '../types';
import { checkFinite } from '../util/finite';
import { SerialQueue } from '../util/serial-queue';
import { type Frame, followsPrompt, type Prepared } from './frame';
import { FrameEncoder } from './frame-encoder';
import { LiveSettings } from './live-settings';
import { named } from './named-prompt';
import { composed } from './paint-mask';
import { SetupCache } from './setup-cache';
import type { SharedUnet } from './shared-unet';
import { SizeTrials } from './size-trials';
import type { Probe } from './transition-probes';
import { embedsPair, UnetBatcher } from './unet-batcher';

export interface FrameInput extends StreamInput {
  /** The prompt of this frame alone, encoded already. */
  conditioning?: EncodedPrompt;
  /** Nobody else needs the bytes of `image`, nor are they those of another of its pictures. */
  isImageOurs?: boolean;
  /** All settings of this frame, whatever the stream's are, as {@link DiffusionStream.admit} gave them. */
  admitted?: StreamSetup;
}

/**
 * A stream: pictures become latents, latents go through the stream batch, finished latents become pictures.
 *
 * Calls go through each of these three in the order in which they were made, but one frame can be in the UNet while
 * those before it are being decoded and the one after it encoded.
 */
export class DiffusionStream implements Stream {
  private readonly prompts: WeightedPrompts;
  private readonly batch: UnetBatcher;
  private conditioning: EncodedPrompt | undefined;
  /** What it was made of. */
  private prompt: Prompt | PromptSpec = { prompt: '' };
  private readonly setups: SetupCache;
  private readonly pictures: FrameEncoder;
  /** Those since the last frame. */
  private waitingPrompts: { newest?: Prompt | PromptSpec } = {};
  private readonly settings: LiveSettings;
  private frames = 0;
  private readonly intake = new SerialQueue();
  private readonly ticks = new SerialQueue();
  /** The pictures of all calls until now are made, or have failed. */
  private rendered: Promise<void> = Promise.resolve();
  /** All probes until now are looked at. */
  private sampled: Promise<unknown> = Promise.resolve();
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
    this.batch = new UnetBatcher(model, unet, this.pictures, (probe, latent) => this.sample(probe, latent));
    this.settings = new LiveSettings(this.setups, options);
  }

  /** Checks the options, and that the model works at this size; `trials` are shared by the streams of an engine. */
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

  /** How many nets of its engine can run beside each other. */
  get concurrency(): number {
    return this.model.concurrency;
  }

  /** Frames at some step. */
  get inFlight(): number {
    return this.batch.inFlight;
  }

  /** Frames that wait for their buffer to fill. */
  get buffered(): number {
    return this.batch.buffered;
  }

  /** Names of the pictures that frames may bring, and of those that one is rendered from under some options. */
  get knownPictures(): string[] {
    return this.pictures.known;
  }

  wantedPictures(options: StreamOptions): string[] {
    return this.pictures.wanted(options);
  }

  /** Names of the adapters of its engine. */
  get adapters(): string[] {
    return this.model.info.adapters.map(({ name }) => name);
  }

  /** What of the stream's prompt the model does not see, in sentences. */
  get warnings(): string[] {
    return this.conditioning?.warnings ?? [];
  }

  /** Prompts may come faster than they can be encoded: of those between two frames, the newest alone is. */
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

  /** What takes long to prepare is left to a newer call that says otherwise. */
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

  /** Resolves when a frame that comes then need not wait for other frames to be encoded. */
  async whenFree(): Promise<void> {
    if (this.options.mode === 'img2img') await this.model.vaeEncoder?.place.whenFree();
  }

  /**
   * Resolves when frames can be made under these settings, for {@link prepare}: what would be refused is refused before a
   * picture is decoded to its size. Rejects as `prepare` does.
   */
  admit(options: StreamOptions): Promise<StreamSetup> {
    return this.setups.prepare(options, this.settings.change());
  }

  /** The first of the three: encodes a frame's picture. The stream's settings hold as they are at the call. Rejects with Overtaken when newer ones come while its own are being prepared. */
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
   * The second: lets a frame enter, if there is one, and moves all frames one step on. A frame buffer that is not full
   * yet waits.
   *
   * @returns the frames whose last step this was, for {@link render}
   */
  denoise(prepared?: Prepared): Promise<DenoisedFrame<Frame>[]> {
    return this.inQueue(this.ticks, async () => {
      if (!prepared) return this.batch.tick();
      const { frame, conditioning, prompt } = prepared;
      const isOutdated = prompt !== this.prompt && followsPrompt(frame) && !frame.hasPrompt;
      return this.batch.enter(prepared, isOutdated ? (this.conditioning ?? conditioning) : conditioning);
    });
  }

  /** The third: finished latents to pictures, beside those of earlier calls, and never given back before them. They must not be drawn on: a later frame may be made from them. */
  async render(finished: DenoisedFrame<Frame>[]): Promise<Output[]> {
    this.checkOpen();
    const making = Promise.all(finished.map((each) => this.picture(each)));
    const before = this.rendered;
    this.rendered = Promise.allSettled([making, before]).then(() => undefined);
    await this.rendered;
    const outputs = await making;
    const last = outputs.at(-1);
    if (last) this.pictures.rendered(last.image);
    return outputs;
  }

  /** Takes all frames in flight out, unfinished. */
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

  /** Calls that have not begun are rejected with ECLOSED; what is under way ends. */
  async close(): Promise<void> {
    if (!this.closed) this.onClose(this);
    this.closed = true;
    await Promise.all([this.intake.idle(), this.ticks.idle(), this.rendered, this.sampled]);
  }

  /** Finished pictures for those who may draw on them. */
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

  /** The stream's prompt, under the strengths of a frame. */
  private async ownPrompt({ weights }: ResolvedOptions): Promise<EncodedPrompt> {
    if (this.conditioning && !this.prompts.dependOnWeights) return this.conditioning;
    return this.encodePrompt(this.prompt, { weights });
  }

  private checkOpen(): void {
    if (this.closed) throw new EngineError('ECLOSED', 'the stream is closed; create a new one');
  }

  private async picture({ frame, latent }: DenoisedFrame<Frame>): Promise<Output> {
    const { id, seed, enteredAt, shape, masked } = frame;
    const painted = await this.decode(latent, shape);
    const image = masked ? composed(painted, masked.incoming, masked.mask) : painted;
    return { id, image, latent, latencyMs: performance.now() - enteredAt, ...(seed !== undefined && { seed }) };
  }

  private async decode(latent: Float32Array, { height, width }: LatentShape): Promise<RawImage> {
    checkFinite(latent, 'the UNet');
    return this.model.vaeDecoder.decodePicture(latent, height, width);
  }

  /** Nobody waits for it. One that cannot be decoded says nothing of its way; a frame will say what is wrong. */
  private sample({ way, position, shape }: Probe, latent: Float32Array): void {
    const sampling = this.decode(latent, shape).then((image) => way.path.add(position, [latent, toThumbnail(image)]));
    this.sampled = Promise.allSettled([this.sampled, sampling]);
  }
}
