import { EngineError } from './errors';
import { decode } from './image/codec';
import { toImage, toTensor } from './image/pixels';
import { Lane } from './lane';
import type { Model } from './model/model';
import type { Conditioning } from './prompt/conditioning';
import { type ConditioningRequest, PromptEncoder, type PromptConditioning } from './prompt/prompt-encoder';
import type { SharedUnet } from './shared-unet';
import { needsNegativePass } from './stream/guidance';
import { type ResolvedOptions, resolveOptions } from './stream/options';
import { addNoise, type ConditioningPair, type Denoised, type Entry, type LatentShape, StreamBatch } from './stream/stream-batch';
import { type StreamSetup, setUp } from './stream/setup';
import type { FrameId, Output, Prompt, RawImage, Stream, StreamInput, StreamOptions } from './types';

/** A frame between `process` and its output. */
export interface Frame {
  id: FrameId;
  enteredAt: number;
  shape: LatentShape;
}

export interface ConditionedInput extends StreamInput {
  /** Denoise this one frame under these prompts instead of the stream's. */
  conditioning?: PromptConditioning;
}

/** A frame that is ready to enter the batch. */
export interface Prepared {
  frame: Frame;
  setup: StreamSetup;
  /** img2img: the picture's clean latent; txt2img: x_T, or undefined for the stream's own noise. [C, h, w] */
  latent: Float32Array | undefined;
  conditioning: PromptConditioning | undefined;
}

/**
 * A stream: pictures become latents, latents go through the stream batch, finished latents become pictures.
 *
 * Each of these three has a lane of its own. Calls go through each lane in the order in which they were made, but one
 * frame can be in the UNet while the one before it is being decoded and the one after it encoded.
 */
export class DiffusionStream implements Stream {
  private readonly prompts: PromptEncoder;
  private readonly batch = new StreamBatch<Frame, Conditioning>();
  /** Frames of a buffer that is not full yet. */
  private buffer: Entry<Frame, Conditioning>[] = [];
  private conditioning: PromptConditioning | undefined;
  private setup: StreamSetup;
  private frames = 0;
  private readonly intake = new Lane();
  private readonly ticks = new Lane();
  private readonly rendering = new Lane();
  private closed = false;

  private constructor(
    private readonly model: Model,
    private readonly unet: SharedUnet,
    options: ResolvedOptions,
    private readonly onClose: (stream: DiffusionStream) => void,
  ) {
    this.prompts = new PromptEncoder(model.textEncoder);
    this.setup = setUp(options, model.info, model.schedulerConfig);
  }

  /** Checks the options, and with one run of every net that the model works at this size. */
  static async open(model: Model, unet: SharedUnet, options: StreamOptions, onClose: (stream: DiffusionStream) => void): Promise<DiffusionStream> {
    const stream = new DiffusionStream(model, unet, checkedOptions(model, options), onClose);
    await stream.warmUp(stream.setup);
    return stream;
  }

  get options(): ResolvedOptions {
    return this.setup.options;
  }

  /** Frames at some step. */
  get inFlight(): number {
    return this.batch.inFlight;
  }

  /** Frames that wait for their buffer to fill. */
  get buffered(): number {
    return this.buffer.length;
  }

  setPrompt(prompt: Prompt | ConditioningRequest): Promise<void> {
    return this.inLane(this.intake, async () => {
      const conditioning = await this.prompts.encode(prompt);
      const pair = this.pair(conditioning, this.setup);
      this.conditioning = conditioning;
      this.batch.setConditioning(pair);
      for (const entry of this.buffer) entry.conditioning = pair;
    });
  }

  update(live: Partial<StreamOptions>): Promise<void> {
    return this.inLane(this.intake, async () => {
      const setup = setUp(checkedOptions(this.model, { ...this.options, ...live }), this.model.info, this.model.schedulerConfig, this.setup);
      const { height, width } = this.setup.shape;
      if (setup.shape.height !== height || setup.shape.width !== width) await this.warmUp(setup);
      this.setup = setup;
    });
  }

  async process(input: ConditionedInput = {}): Promise<Output[]> {
    const prepared = await this.prepare(input);
    return this.render(await this.denoise(prepared));
  }

  async flush(): Promise<Output[]> {
    await this.inLane(this.intake, async () => undefined);
    return this.render(await this.inLane(this.ticks, () => this.drain()));
  }

  /** The first of the three: encodes a frame's picture. Settings hold as they are at the call. */
  prepare(input: ConditionedInput): Promise<Prepared> {
    const enteredAt = performance.now();
    return this.inLane(this.intake, async () => {
      const { setup } = this;
      if (!this.conditioning && !input.conditioning) this.conditioning = await this.prompts.encode({ prompt: '' });
      const latent = setup.options.mode === 'img2img' ? await this.encode(input.image, setup.options) : this.startingLatent(input.latent, setup);
      this.pair(input.conditioning ?? this.conditioning, setup);
      return { frame: { id: input.id ?? this.frames++, enteredAt, shape: setup.shape }, setup, latent, conditioning: input.conditioning };
    });
  }

  /**
   * The second: lets a frame enter, if there is one, and moves all frames one step on. A frame buffer that is not full
   * yet waits.
   *
   * @returns the frames whose last step this was, for {@link render}
   */
  denoise(prepared?: Prepared): Promise<Denoised<Frame>[]> {
    return this.inLane(this.ticks, async () => {
      if (!prepared) return this.tick([]);
      const { frameBufferSize, useDenoisingBatch } = prepared.setup.options;
      this.buffer.push(this.entry(prepared));
      if (this.buffer.length < frameBufferSize) return [];
      return useDenoisingBatch ? this.tick() : this.drain();
    });
  }

  /** The third: finished latents to pictures. */
  render(finished: Denoised<Frame>[]): Promise<Output[]> {
    return this.inLane(this.rendering, async () => {
      const outputs: Output[] = [];
      for (const { frame, latent } of finished) {
        const { height, width } = frame.shape;
        const factor = this.model.info.vaeScaleFactor;
        const pixels = await this.model.vaeDecoder.decode(latent, height, width);
        const image = toImage(pixels, width * factor, height * factor);
        outputs.push({ id: frame.id, image, latent, latencyMs: performance.now() - frame.enteredAt });
      }
      return outputs;
    });
  }

  /** Takes all frames in flight out, unfinished. */
  reset(): Promise<FrameId[]> {
    return this.inLane(this.ticks, async () => {
      const ids = [...this.batch.remove(), ...this.buffer.map((entry) => entry.frame)].map((frame) => frame.id);
      this.buffer = [];
      return ids;
    });
  }

  /** Encodes prompts for `prepare({ conditioning })`. */
  encodePrompt(prompt: Prompt | ConditioningRequest): Promise<PromptConditioning> {
    return this.prompts.encode(prompt);
  }

  /** Calls that have not begun are rejected with ECLOSED; what is under way ends. */
  async close(): Promise<void> {
    if (!this.closed) this.onClose(this);
    this.closed = true;
    await Promise.all([this.intake, this.ticks, this.rendering].map((lane) => lane.idle()));
  }

  private inLane<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    return lane.run(async () => {
      if (this.closed) throw new EngineError('ECLOSED', 'the stream is closed; create a new one');
      return work();
    });
  }

  /** A frame at the first step, in the next free place of the frame buffer: its latent with noise added, or x_T itself. */
  private entry({ frame, setup, latent, conditioning }: Prepared): Entry<Frame, Conditioning> {
    const { shape, denoising, noise } = setup;
    const { frameBufferSize, mode } = setup.options;
    const slot = this.buffer.length % frameBufferSize;
    const rows = denoising.steps.map((_, step) => noise[step * frameBufferSize + slot]);
    const noised = latent && mode === 'img2img' ? addNoise(latent, rows[0], denoising.steps[0]) : (latent ?? rows[0]);
    return { frame, latent: noised, shape, noise: rows, conditioning: this.pair(conditioning ?? this.conditioning, setup), denoising };
  }

  private async encode(image: RawImage | undefined, { width, height }: ResolvedOptions): Promise<Float32Array> {
    const encoder = requireEncoder(this.model);
    checkImage(image);
    const fits = image.width === width && image.height === height;
    const picture = fits ? image : await decode({ kind: 'raw', ...image }, width, height);
    return encoder.encode(toTensor(picture), height, width);
  }

  private startingLatent(latent: Float32Array | undefined, { shape, noise }: StreamSetup): Float32Array | undefined {
    if (latent === undefined) return undefined;
    const { length } = noise[0];
    if (!(latent instanceof Float32Array) || latent.length !== length) {
      const dims = `[${this.model.info.latentChannels}, ${shape.height}, ${shape.width}]`;
      throw new EngineError('EBADPARAM', `latent must be a Float32Array of ${length} values, ${dims}; got ${latent?.length ?? typeof latent}`);
    }
    return latent.slice();
  }

  /** Lets the waiting buffer enter and moves every frame one step on. */
  private async tick(entering = this.takeBuffer()): Promise<Denoised<Frame>[]> {
    for (const entry of entering) this.batch.enter(entry);
    try {
      const predictions = await this.unet.predict(this.batch.evaluations());
      return this.batch.advance(predictions);
    } catch (error) {
      // The caller hears of this call's frames by its rejection; those of earlier calls stay in flight.
      const failed = new Set(entering.map((entry) => entry.frame));
      this.batch.remove((frame) => failed.has(frame));
      throw error;
    }
  }

  private async drain(): Promise<Denoised<Frame>[]> {
    const finished = this.buffer.length > 0 ? await this.tick() : [];
    while (this.batch.inFlight > 0) finished.push(...(await this.tick([])));
    return finished;
  }

  private takeBuffer(): Entry<Frame, Conditioning>[] {
    const entering = this.buffer;
    this.buffer = [];
    return entering;
  }

  /** @throws EBADPROMPT when guidance needs a negative conditioning and there is none */
  private pair(conditioning: PromptConditioning | undefined, { denoising, options }: StreamSetup): ConditioningPair<Conditioning> {
    if (!conditioning) throw new EngineError('EBADPROMPT', 'no prompt yet; call setPrompt first');
    const { positive, negative } = conditioning;
    if (!negative && needsNegativePass(denoising, 0)) {
      throw new EngineError('EBADPROMPT', `cfgType '${options.cfgType}' needs a negative prompt, and this model has no tokenizer to encode an empty one; give negativeTokenIds`);
    }
    return { positive, negative: negative ?? positive };
  }

  /** @throws EBADPARAM when the nets do not work at this size */
  private async warmUp({ shape, options, denoising }: StreamSetup): Promise<void> {
    const { latentChannels, vaeScaleFactor } = this.model.info;
    const [height, width] = [shape.height * vaeScaleFactor, shape.width * vaeScaleFactor];
    const sample = new Float32Array(latentChannels * shape.height * shape.width);
    try {
      if (options.mode === 'img2img') await requireEncoder(this.model).encode(new Float32Array(3 * height * width), height, width);
      const conditioning = await this.model.textEncoder.blank();
      const row = { sample, shape, timestep: denoising.steps[0].timestep, conditioning, guidance: 0 };
      const rows = denoising.steps.reduce((count, _, step) => count + (needsNegativePass(denoising, step) ? 2 : 1), 0) * options.frameBufferSize;
      await this.unet.predict(new Array<typeof row>(this.model.unet.rowsToWarmUp(rows)).fill(row));
      await this.model.vaeDecoder.decode(sample, shape.height, shape.width);
    } catch (thrown) {
      if (thrown instanceof EngineError && thrown.code === 'ENOMODEL') throw thrown;
      throw new EngineError('EBADPARAM', `this model does not work at ${width}x${height}: ${(thrown as Error).message}`, { cause: thrown });
    }
  }
}

function checkedOptions(model: Model, options: StreamOptions): ResolvedOptions {
  const resolved = resolveOptions(options, model.info.vaeScaleFactor);
  if (resolved.mode === 'img2img') requireEncoder(model);
  return resolved;
}

function requireEncoder(model: Model): NonNullable<Model['vaeEncoder']> {
  if (model.vaeEncoder) return model.vaeEncoder;
  throw new EngineError('ENOMODEL', `${model.info.model} has no vae_encoder, which img2img needs; use txt2img, or add vae_encoder/model.onnx`);
}

function checkImage(image: RawImage | undefined): asserts image is RawImage {
  const { data, width, height, channels } = image ?? {};
  const whole = Number.isInteger(width) && Number.isInteger(height) && width! > 0 && height! > 0;
  if (data instanceof Uint8Array && whole && channels === 3 && data.length === width! * height! * 3) return;
  const got = image ? `${data?.length} bytes for ${width}x${height}x${channels}` : 'no image';
  throw new EngineError('EBADFRAME', `img2img needs an image { data: Uint8Array of width*height*3 bytes, width, height, channels: 3 }; got ${got}`);
}
