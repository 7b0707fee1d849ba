import type { Conditioning } from '../prompt/conditioning';
import type { PromptConditioning } from '../prompt/prompt-encoder';
import type { Way } from '../prompt/way';
import {
  type ConditioningPair,
  type Denoised,
  type Entry,
  type Evaluation,
  type LatentShape,
  mix,
  StreamBatch,
} from '../diffusion/stream-batch';

/** How many enter beside a frame of a transition: first as many as tell something at all, then fewer. */
const AT_FIRST = 5;
const BESIDE_A_FRAME = 2;
/** A transition whose frames are further apart (parts of the whole) would be over before much is known of it. */
const LONGEST_STEP = 1 / 16;

/** A picture that is made only to be looked at: where on which way it is. */
export interface Probe {
  way: Way;
  position: number;
  shape: LatentShape;
}

/**
 * Finds out how a transition's pictures change along its way. Beside its first frames a few more rows go through the UNet:
 * one and the same frame, with its noise and settings, under conditionings from all along the way. No rows, and no
 * time, are spent while there is no transition, and on prompts that come with every frame.
 */
export class TransitionProbes {
  private readonly batch = new StreamBatch<Probe, Conditioning>();
  private way: Way | undefined;
  /** The frame that all of a way's probes are: only then do they show nothing but the way. */
  private frame: Entry<unknown, Conditioning> | undefined;
  private lastTime = 0;
  private entered = 0;

  /** Call it for every frame that enters. */
  follow({ way }: PromptConditioning, entry: Entry<unknown, Conditioning>): void {
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

  /**
   * A frame of a transition as the dissolve of the two pictures that were looked at before it and behind it, if it is the
   * same frame as they: out of pure noise pictures nearly jump at some places of a way, slowly as one may pass them.
   */
  dissolve<F>({ way, position }: PromptConditioning, entry: Entry<F, Conditioning>): Entry<F, Conditioning> {
    if (!way || position === undefined || !this.frame || !areAlike(entry, this.frame)) return entry;
    const stretch = way.path.stretch(position);
    if (!stretch || stretch.part === 0) return entry;
    const { from, to, part, ends } = stretch;
    if (ends) return { ...entry, denoised: mix(ends[0][0], ends[1][0], part) };
    return { ...entry, conditioning: pairAt(way, from), dissolve: { conditioning: pairAt(way, to), part } };
  }

  /** As those of the stream batch. */
  evaluations(): Evaluation<Conditioning>[] {
    return this.batch.evaluations();
  }

  advance(predictions: readonly Float32Array[]): Denoised<Probe>[] {
    return this.batch.advance(predictions);
  }

  stop(): void {
    this.batch.remove();
    this.entered = 0;
    this.way = undefined;
    this.frame = undefined;
  }

  private enter(way: Way, frame: Entry<unknown, Conditioning>): void {
    for (let places = this.entered === 0 ? AT_FIRST : BESIDE_A_FRAME; places > 0; places--) {
      const position = way.path.next();
      if (position === undefined) return;
      this.batch.enter({ ...frame, frame: { way, position, shape: frame.shape }, conditioning: pairAt(way, position) });
      this.entered++;
    }
  }
}

function pairAt(way: Way, position: number): ConditioningPair<Conditioning> {
  const { positive, negative } = way.between(position);
  return { positive, negative: negative ?? positive };
}

/** Whether under the same conditioning they become the same picture. */
function areAlike(a: Entry<unknown, Conditioning>, b: Entry<unknown, Conditioning>): boolean {
  const rows = [a.latent, ...a.noise];
  const others = [b.latent, ...b.noise];
  return a.denoising === b.denoising && rows.length === others.length && rows.every((row, i) => areEqual(row, others[i]));
}

function areEqual(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, k) => value === b[k]);
}
