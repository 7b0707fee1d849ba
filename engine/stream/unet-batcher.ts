import { needsNegativePass } from '../diffusion/guidance';
import { addNoise } from '../diffusion/latent';
import { Seeds } from '../diffusion/seeds';
import type { StreamSetup } from '../diffusion/setup';
import type { DenoiseConfig } from '../diffusion/step-plan';
import type { DenoisedFrame, EmbedsPair } from '../diffusion/stream-batch';
import { EngineError } from '../errors';
import type { Model } from '../model/model';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { PromptEmbeds } from '../prompt/prompt-embeds';
import type { FrameId } from '../types';
import { type Frame, followsAll, followsPrompt, type Prepared } from './frame';
import type { FrameEncoder } from './frame-encoder';
import type { SharedUnet } from './shared-unet';
import { type PacedEntry, TransitionPacer } from './transition-pacer';
import type { Probe } from './transition-probes';

/** The second stage of a stream: frames enter the stream batch with their noise, a full frame buffer at a time, and move on together. */
export class UnetBatcher {
  private readonly batch: TransitionPacer<Frame>;
  /** The frames of a frame buffer that is not full yet. */
  private buffer: PacedEntry<Frame>[] = [];
  private readonly seeds: Seeds;

  /**
   * @param pictures takes finished latents, for feedback
   * @param onProbe called with the latent of every probe
   */
  constructor(
    private readonly model: Model,
    private readonly unet: SharedUnet,
    private readonly pictures: FrameEncoder,
    onProbe: (probe: Probe, latent: Float32Array) => void,
  ) {
    this.batch = new TransitionPacer<Frame>(onProbe);
    this.seeds = new Seeds(model.info.latentChannels);
  }

  /** The number of frames in the batch. */
  get inFlight(): number {
    return this.batch.inFlight;
  }

  /** The number of frames that wait for their frame buffer to fill. */
  get buffered(): number {
    return this.buffer.length;
  }

  /** Changes the conditioning of frames that follow the stream's prompt. */
  setConditioning(pair: EmbedsPair<PromptEmbeds>): void {
    this.batch.setConditioning(pair, followsPrompt);
    for (const entry of this.buffer) if (followsPrompt(entry.frame)) entry.conditioning = pair;
  }

  /** Changes the settings of frames that follow all settings. Must be called between two ticks: a row's guidance must not change while the UNet computes it. */
  setDenoising(denoising: DenoiseConfig): void {
    this.batch.setDenoising(denoising, followsAll);
  }

  /**
   * Adds a frame to the frame buffer; once that is full, its frames enter and all frames move on.
   *
   * @param prompt the frame's prompt at its first step
   * @returns the frames that have finished their last step
   */
  async enter(prepared: Prepared, prompt: EncodedPrompt): Promise<DenoisedFrame<Frame>[]> {
    const { frameBufferSize, useDenoisingBatch } = prepared.setup.options;
    this.buffer.push(this.entry(prepared, prompt));
    if (this.buffer.length < frameBufferSize) return [];
    return useDenoisingBatch ? this.tick(this.takeBuffer()) : this.drain();
  }

  /** Moves every frame on by one step, including those that enter. */
  async tick(entering: PacedEntry<Frame>[] = []): Promise<DenoisedFrame<Frame>[]> {
    for (const entry of entering) this.batch.enter(entry);
    const newest = entering.at(-1);
    if (newest && followsAll(newest.frame)) {
      this.batch.setConditioning(newest.conditioning, followsAll);
      this.batch.setDenoising(newest.denoising, followsAll);
    }
    try {
      const finished = this.batch.advance(await this.unet.predict(this.batch.evaluations()));
      const last = finished.at(-1);
      if (last) this.pictures.denoised(last.latent, last.frame.shape);
      return finished;
    } catch (error) {
      // The rejection tells the caller about this call's frames; those of earlier calls stay in flight.
      const failed = new Set(entering.map((entry) => entry.frame));
      this.batch.remove((frame) => failed.has(frame));
      this.batch.stopProbes();
      throw error;
    }
  }

  /** Makes ticks until no frame waits or is in flight. */
  async drain(): Promise<DenoisedFrame<Frame>[]> {
    const finished = this.buffer.length > 0 ? await this.tick(this.takeBuffer()) : [];
    while (this.batch.inFlight > 0) finished.push(...(await this.tick()));
    return finished;
  }

  /** Removes all frames, unfinished, and starts again with the first seed. */
  reset(): FrameId[] {
    const frames = [...this.batch.remove(), ...this.takeBuffer().map((entry) => entry.frame)];
    this.batch.stopProbes();
    this.seeds.restart();
    return frames.map(({ id }) => id);
  }

  /** A frame's entry at the first step, in the next free place of the frame buffer: its latent with noise added, or x_T itself. */
  private entry({ frame, setup, latent, pictures }: Prepared, prompt: EncodedPrompt): PacedEntry<Frame> {
    const { shape, denoising, options } = setup;
    const { frameBufferSize, mode } = options;
    const { rows, freshSeed } = this.seeds.next(options, shape, this.buffer.length % frameBufferSize);
    frame.seed = freshSeed;
    const noised = latent && mode === 'img2img' ? addNoise(latent, rows[0], denoising.steps[0]) : (latent ?? rows[0]);
    const kept = latent && frame.masked && { clean: latent, painted: frame.masked.mask.latent };
    const entry = { frame, latent: noised, shape, noise: rows, conditioning: embedsPair(prompt, setup), pictures, kept, denoising };
    // Where each number of rows is compiled separately, occasional extra rows would cost more than they gain.
    if (this.model.unet.place.compilesShapes) return entry;
    return this.batch.pace(prompt, entry, mode === 'txt2img' && !followsPrompt(frame));
  }

  private takeBuffer(): PacedEntry<Frame>[] {
    const entering = this.buffer;
    this.buffer = [];
    return entering;
  }
}

/** @throws EBADPROMPT when guidance needs a negative conditioning and there is none */
export function embedsPair({ positive, negative }: EncodedPrompt, { denoising, options }: StreamSetup): EmbedsPair<PromptEmbeds> {
  if (!negative && needsNegativePass(denoising, 0)) {
    throw new EngineError(
      'EBADPROMPT',
      `cfgType '${options.cfgType}' needs a negative prompt, and this model has no tokenizer to encode an empty one; give negativeTokenIds`,
    );
  }
  return { positive, negative: negative ?? positive };
}
