import { mix } from '../diffusion/latent';
import type { DenoiseConfig } from '../diffusion/step-plan';
import { type EmbedsPair, type DenoisedFrame, type Entry, type Evaluation, StreamBatch } from '../diffusion/stream-batch';
import type { PromptEmbeds } from '../prompt/prompt-embeds';
import type { EncodedPrompt } from '../prompt/transition-path';
import { pairAt, type Probe, TransitionProbes } from './transition-probes';

/** A frame on its way into the batch, at the pace of the transition that it may be part of. */
export interface PacedEntry<F> extends Entry<F, PromptEmbeds> {
  /** It is denoised under another conditioning as well, and leaves as a mixture of both. */
  dissolve?: Dissolve;
  /** x̂0 of the last step, where it is known already: the frame only takes its turn. [C, h, w] */
  knownX0?: Float32Array;
}

/** `part`, 0..1, is the other's share. */
interface Dissolve {
  conditioning: EmbedsPair<PromptEmbeds>;
  part: number;
}

/** A frame that has entered: it leaves when none of its entries in the batch is under way. */
interface PacedFrame<F> {
  frame: F;
  /** x̂0 of what is finished of it. */
  latent: Float32Array | undefined;
  underWay: number;
}

/** What an entry of the batch is to its frame: itself, or the other half of a dissolve, with its share. */
interface Half<F> {
  of: PacedFrame<F>;
  otherShare?: number;
}

/**
 * A stream batch whose frames go through transitions evenly. A dissolve is two ordinary entries, merged when they leave; a
 * frame whose latent is known enters none; and beside the first frames of a transition a few more are denoised to see how
 * its pictures change.
 *
 * @typeParam F what identifies a frame to the caller
 */
export class TransitionPacer<F> {
  private readonly batch = new StreamBatch<Half<F>, PromptEmbeds>();
  private readonly probes = new TransitionProbes();
  /** Oldest first, as they are to leave. */
  private frames: PacedFrame<F>[] = [];

  /** @param onProbe hears of every picture that was made only to be looked at */
  constructor(private readonly onProbe: (probe: Probe, latent: Float32Array) => void) {}

  /** Frames that have not left yet. */
  get inFlight(): number {
    return this.frames.length;
  }

  /**
   * Call it for every frame that is about to enter.
   *
   * @param dissolves whether the frame is to be one of two pictures of a transition's way that were looked at, where it is
   *   between them
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

  /** Makes the frames in flight that `match` go on under another conditioning, which ends a dissolve. */
  setConditioning(conditioning: EmbedsPair<PromptEmbeds>, match: (frame: F) => boolean = () => true): void {
    for (const { of } of this.batch.remove(({ of, otherShare }) => otherShare !== undefined && match(of.frame))) of.underWay--;
    this.batch.setConditioning(conditioning, ({ of }) => match(of.frame));
  }

  /** As that of the stream batch. */
  setDenoising(denoising: DenoiseConfig, match: (frame: F) => boolean = () => true): void {
    this.batch.setDenoising(denoising, ({ of }) => match(of.frame));
  }

  /** What the UNet has to predict for the next tick, for the frames and for what is looked at beside them. */
  evaluations(): Evaluation<PromptEmbeds>[] {
    return [...this.batch.evaluations(), ...this.probes.evaluations()];
  }

  /**
   * Moves every frame one step on.
   *
   * @param predictions the UNet's answers, in the order of {@link evaluations}
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

  /** Takes out the frames that `match`, or all of them. */
  remove(match: (frame: F) => boolean = () => true): F[] {
    this.batch.remove(({ of }) => match(of.frame));
    const removed = this.frames.filter(({ frame }) => match(frame));
    this.frames = this.frames.filter(({ frame }) => !match(frame));
    return removed.map(({ frame }) => frame);
  }

  /** Nothing is looked at any more. */
  stopProbes(): void {
    this.probes.stop();
  }

  private enterHalf(half: Half<F>, entry: Entry<F, PromptEmbeds>, conditioning: EmbedsPair<PromptEmbeds>): void {
    half.of.underWay++;
    this.batch.enter({ ...entry, frame: half, conditioning });
  }

  /**
   * A frame of a transition as the dissolve of the two pictures that were looked at before it and behind it, if it is the
   * same frame as they: out of pure noise pictures nearly jump at some places of a way, slowly as one may pass them.
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

/** A frame's own half leaves before the other one: it entered before it. */
function merge<F>({ of, otherShare }: Half<F>, latent: Float32Array): void {
  of.underWay--;
  of.latent = of.latent && otherShare !== undefined ? mix(of.latent, latent, otherShare) : latent;
}
