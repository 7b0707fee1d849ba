import type { LatentShape } from '../diffusion/latent';
import { type EmbedsPair, type DenoisedFrame, type Entry, type Evaluation, type Pictures, StreamBatch } from '../diffusion/stream-batch';
import type { PromptEmbeds } from '../prompt/prompt-embeds';
import type { EncodedPrompt } from '../prompt/transition-path';
import type { TransitionPath } from '../prompt/transition-path';
/** The number of probes that enter with a frame of a transition: at first as many as are needed to tell anything, then fewer. */
const AT_FIRST = 5;
const BESIDE_A_FRAME = 2;
/** Transitions with larger steps (as part of the whole) get no probes: they would be over before much is known. */
const LONGEST_STEP = 1 / 16;

/** A picture that is only rendered to be measured: its transition and its position on it. */
export interface Probe {
  way: TransitionPath;
  position: number;
  shape: LatentShape;
}

/**
 * Measures how a transition's pictures change along its path. With its first frames a few more rows go through the UNet: the
 * same frame, with its noise and settings, under conditionings from all along the path. No rows, and no time, are spent
 * without a transition, or on prompts that come with every frame.
 */
export class TransitionProbes {
  private readonly batch = new StreamBatch<Probe, PromptEmbeds>();
  private way: TransitionPath | undefined;
  /** The frame that all probes of a path show, so that they differ only by their positions. */
  private frame: Entry<unknown, PromptEmbeds> | undefined;
  private lastTime = 0;
  private entered = 0;

  /** Must be called for every frame that enters. */
  follow({ way }: EncodedPrompt, entry: Entry<unknown, PromptEmbeds>): void {
    if (way !== this.way) {
      this.stop();
      this.way = way;
      this.frame = way && entry;
    } else if (way && this.frame) {
      if (way.time - this.lastTime > LONGEST_STEP) this.frame = undefined;
      else this.enter(way, this.frame);
    }
    this.lastTime = way?.time ?? 0;
  }

  /** Whether the path's probes show the same frame as the entry, and differ only by their conditionings. */
  areOf(entry: Entry<unknown, PromptEmbeds>): boolean {
    return this.frame !== undefined && areAlike(entry, this.frame);
  }

  /** As in the stream batch. */
  evaluations(): Evaluation<PromptEmbeds>[] {
    return this.batch.evaluations();
  }

  advance(predictions: readonly Float32Array[]): DenoisedFrame<Probe>[] {
    return this.batch.advance(predictions);
  }

  stop(): void {
    this.batch.remove();
    this.entered = 0;
    this.way = undefined;
    this.frame = undefined;
  }

  private enter(way: TransitionPath, frame: Entry<unknown, PromptEmbeds>): void {
    for (let places = this.entered === 0 ? AT_FIRST : BESIDE_A_FRAME; places > 0; places--) {
      const position = way.path.next();
      if (position === undefined) return;
      this.batch.enter({ ...frame, frame: { way, position, shape: frame.shape }, conditioning: pairAt(way, position) });
      this.entered++;
    }
  }
}

/** The conditioning at a position of a path; the negative one may be missing. */
export function pairAt(way: TransitionPath, position: number): EmbedsPair<PromptEmbeds> {
  const { positive, negative } = way.between(position);
  return { positive, negative: negative ?? positive };
}

/** Whether two entries would become the same picture under the same conditioning. */
function areAlike(a: Entry<unknown, PromptEmbeds>, b: Entry<unknown, PromptEmbeds>): boolean {
  const rows = [a.latent, ...a.noise];
  const others = [b.latent, ...b.noise];
  const areShownAlike = a.denoising === b.denoising && haveSamePictures(a.pictures, b.pictures);
  return areShownAlike && rows.length === others.length && rows.every((row, i) => areEqual(row, others[i]));
}

function haveSamePictures(a: Pictures = {}, b: Pictures = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function areEqual(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, k) => value === b[k]);
}
