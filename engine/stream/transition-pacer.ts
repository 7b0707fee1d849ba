import { mix } from '../diffusion/latent';
import type { DenoiseConfig } from '../diffusion/step-plan';
import { type EmbedsPair, type DenoisedFrame, type Entry, type Evaluation, StreamBatch } from '../diffusion/stream-batch';
import type { PromptEmbeds } from '../prompt/prompt-embeds';
import type { EncodedPrompt } from '../prompt/transition-path';
import { pairAt, type Probe, TransitionProbes } from './transition-probes';

/** A frame that is about to enter the batch, paced by the transition that it may be part of. */
export interface PacedEntry<F> extends Entry<F, PromptEmbeds> {
  /** For a frame that is also denoised under a second conditioning, and leaves as a mixture of both. */
  dissolve?: Dissolve;
  /** x̂0 of the last step where it is known already, so that the frame is not denoised. [C, h, w] */
  knownX0?: Float32Array;
}

/** `part`, 0..1, is the share of the second conditioning. */
interface Dissolve {
  conditioning: EmbedsPair<PromptEmbeds>;
  part: number;
}

/** A frame that has entered; it leaves when all of its entries in the batch are done. */
interface PacedFrame<F> {
  frame: F;
  /** x̂0 of its finished entries. */
  latent: Float32Array | undefined;
  underWay: number;
}

/** An entry of the batch: the frame itself, or the second half of a dissolve with its share. */
interface Half<F> {
  of: PacedFrame<F>;
  otherShare?: number;
}

/**
 * A stream batch in which transitions change pictures at an even pace. A dissolve is two ordinary entries that are merged when
 * they leave; a frame whose latent is known has no entry; and with the first frames of a transition a few probes are denoised
 * to measure how its pictures change.
 *
 * @typeParam F identifies a frame to the caller
 */
export class TransitionPacer<F> {
  private readonly batch = new StreamBatch<Half<F>, PromptEmbeds>();
  private readonly probes = new TransitionProbes();
  /** Oldest first, the order in which they leave. */
  private frames: PacedFrame<F>[] = [];

  /** @param onProbe called with the latent of every probe */
  constructor(private readonly onProbe: (probe: Probe, latent: Float32Array) => void) {}

  /** The number of frames that have not left yet. */
  get inFlight(): number {
    return this.frames.length;
  }

  /**
   * Must be called for every frame that is about to enter.
   *
   * @param dissolves whether a frame between two probes of its transition becomes the dissolve of the two
   */
  pace(prompt: EncodedPrompt, entry: Entry<F, PromptEmbeds>, dissolves: boolean): PacedEntry<F> {
    this.probes.follow(prompt, entry);
    return (dissolves && this.dissolve(prompt, entry)) || entry;
  }

  enter({ dissolve, knownX0, ...entry }: PacedEntry<F>): void {
    const frame: PacedFrame<F> = { frame: entry.frame, latent: knownX0, underWay: 0 };
    this.frames.push(frame);
    if (knownX0) return;
    this.enterHalf({ of: frame }, entry, entry.conditioning);
    if (dissolve) this.enterHalf({ of: frame, otherShare: dissolve.part }, entry, dissolve.conditioning);
  }

  /** Changes the conditioning of the frames in flight that `match`, which ends their dissolves. */
  setConditioning(conditioning: EmbedsPair<PromptEmbeds>, match: (frame: F) => boolean = () => true): void {
    for (const { of } of this.batch.remove(({ of, otherShare }) => otherShare !== undefined && match(of.frame))) of.underWay--;
    this.batch.setConditioning(conditioning, ({ of }) => match(of.frame));
  }

  /** As in the stream batch. */
  setDenoising(denoising: DenoiseConfig, match: (frame: F) => boolean = () => true): void {
    this.batch.setDenoising(denoising, ({ of }) => match(of.frame));
  }

  /** The UNet evaluations of the next tick, for frames and probes. */
  evaluations(): Evaluation<PromptEmbeds>[] {
    return [...this.batch.evaluations(), ...this.probes.evaluations()];
  }

  /**
   * Moves every frame on by one step.
   *
   * @param predictions the UNet's outputs, in the order of {@link evaluations}
   * @returns the frames that are done, oldest first
   */
  advance(predictions: readonly Float32Array[]): DenoisedFrame<F>[] {
    const ofFrames = this.batch.evaluations().length;
    for (const { frame, latent } of this.batch.advance(predictions)) merge(frame, latent);
    for (const { frame, latent } of this.probes.advance(predictions.slice(ofFrames))) this.onProbe(frame, latent);
    const unfinished = this.frames.findIndex(({ underWay }) => underWay > 0);
    const leaving = this.frames.splice(0, unfinished === -1 ? this.frames.length : unfinished);
    return leaving.flatMap(({ frame, latent }) => (latent ? [{ frame, latent }] : []));
  }

  /** Removes the frames that `match`, or all of them. */
  remove(match: (frame: F) => boolean = () => true): F[] {
    this.batch.remove(({ of }) => match(of.frame));
    const removed = this.frames.filter(({ frame }) => match(frame));
    this.frames = this.frames.filter(({ frame }) => !match(frame));
    return removed.map(({ frame }) => frame);
  }

  /** Removes all probes. */
  stopProbes(): void {
    this.probes.stop();
  }

  private enterHalf(half: Half<F>, entry: Entry<F, PromptEmbeds>, conditioning: EmbedsPair<PromptEmbeds>): void {
    half.of.underWay++;
    this.batch.enter({ ...entry, frame: half, conditioning });
  }

  /**
   * The dissolve of the probes before and after a frame's position in its transition, if the probes show the same frame. From
   * pure noise, pictures almost jump at some positions, however slowly these are passed.
   */
  private dissolve({ way, position }: EncodedPrompt, entry: Entry<F, PromptEmbeds>): PacedEntry<F> | undefined {
    if (!way || position === undefined || !this.probes.areOf(entry)) return undefined;
    const stretch = way.path.stretch(position);
    if (!stretch || stretch.part === 0) return undefined;
    const { from, to, part, ends } = stretch;
    if (ends) return { ...entry, knownX0: mix(ends[0][0], ends[1][0], part) };
    return { ...entry, conditioning: pairAt(way, from), dissolve: { conditioning: pairAt(way, to), part } };
  }
}

/** Adds a half to its frame. A frame's own half leaves first, since it entered first. */
function merge<F>({ of, otherShare }: Half<F>, latent: Float32Array): void {
  of.underWay--;
  of.latent = of.latent && otherShare !== undefined ? mix(of.latent, latent, otherShare) : latent;
}
