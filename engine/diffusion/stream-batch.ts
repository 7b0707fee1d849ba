/**
 * Stream Batch (arXiv 2312.12491, §3.1): frames at different denoising steps go through the UNet together.
 *
 * Every row in flight is one frame at its own step, with its own noise, guidance state and conditioning. Empty rows are
 * not computed, so the first frames are as clean as all others, a stream can be drained at any time, and a frame's
 * output does not depend on which frames happen to share its UNet calls.
 */
import { needsNegativePass } from './guidance';
import { type LatentShape, LatentPool } from './latent';
import { evaluate } from './linear-form';
import { type Kept, keepUnpainted } from './mask';
import { type DenoiseConfig, planStep } from './step-plan';

/** The positive and negative conditioning of a frame; their content is the caller's business. */
export interface EmbedsPair<C> {
  positive: C;
  negative: C;
}

export type Pictures = Readonly<Record<string, unknown>>;

/** A frame that enters the batch. Its latents are read, never changed. */
export interface Entry<F, C> {
  frame: F;
  /** x_τ at the first step, [C, h, w]. */
  latent: Float32Array;
  /** h and w. */
  shape: LatentShape;
  /** Noise, one [C, h, w] for every step. */
  noise: readonly Float32Array[];
  conditioning: EmbedsPair<C>;
  /** Pictures that the UNet sees at every step of the frame, by name; their content is the caller's business. */
  pictures?: Pictures;
  /** The part of the frame that is not denoised. */
  kept?: Kept;
  denoising: DenoiseConfig;
}

/** One row of a UNet call. */
export interface Evaluation<C> {
  /** x_τ, [C, h, w], as it is until {@link StreamBatch.advance}. */
  sample: Float32Array;
  shape: LatentShape;
  timestep: number;
  conditioning: C;
  /** w = γ − 1 for a model that was distilled to take it as an input; 0 where guidance is applied outside the UNet. */
  guidance: number;
  /** Identifies the row within its frame: the step, and the side of the guidance. */
  place?: string;
  weights?: Readonly<Record<string, number>>;
  pictures?: Pictures;
}

/** A frame that is done: x̂0 of the last step, [C, h, w]. */
export interface DenoisedFrame<F> {
  frame: F;
  latent: Float32Array;
}

interface Row<F, C> extends Entry<F, C> {
  stepIndex: number;
  /** ε', the virtual residual noise of RCFG. */
  residual: Float32Array;
  finished: boolean;
}

/** How many unused latents are kept for frames to come. */
const LATENTS_KEPT = 16;

/** @typeParam F what identifies a frame to the caller; @typeParam C a conditioning */
export class StreamBatch<F, C> {
  /** Rows, oldest first. A row stays until all older ones are finished, so that frames leave in the order they came. */
  private rows: Row<F, C>[] = [];
  private readonly pool = new LatentPool(LATENTS_KEPT);

  /** The number of frames that have not left yet. */
  get inFlight(): number {
    return this.rows.length;
  }

  /** Puts a frame at the first step. */
  enter(entry: Entry<F, C>): void {
    this.rows.push({ ...entry, stepIndex: 0, residual: entry.noise[0], finished: false });
  }

  /** Gives another conditioning to the frames in flight that `match`. */
  setConditioning(conditioning: EmbedsPair<C>, match: (frame: F) => boolean = () => true): void {
    for (const row of this.rows) if (match(row.frame)) row.conditioning = conditioning;
  }

  /** Gives other settings to the frames in flight that `match`; other steps only where there are as many. */
  setDenoising(denoising: DenoiseConfig, match: (frame: F) => boolean = () => true): void {
    for (const row of this.rows) {
      if (!match(row.frame)) continue;
      const { steps } = row.denoising;
      row.denoising = denoising.steps.length === steps.length ? denoising : { ...denoising, steps };
    }
  }

  /** The rows that the UNet has to predict for the next tick: one for every frame, preceded by a negative one where guidance needs it. */
  evaluations(): Evaluation<C>[] {
    return this.active().flatMap((row) => {
      const { denoising, stepIndex, latent, shape, conditioning, pictures } = row;
      const { cfgType, guidanceScale, steps, weights } = denoising;
      const { timestep } = steps[stepIndex];
      const guidance = cfgType === 'none' ? Math.max(0, guidanceScale - 1) : 0;
      const under = (side: keyof EmbedsPair<C>): Evaluation<C> => ({
        sample: latent,
        shape,
        timestep,
        conditioning: conditioning[side],
        guidance,
        place: `${stepIndex} ${side}`,
        weights,
        pictures,
      });
      return needsNegativePass(denoising, stepIndex) ? [under('negative'), under('positive')] : [under('positive')];
    });
  }

  /**
   * Moves every frame on by one step.
   *
   * @param predictions the UNet's answers, in the order of {@link evaluations}
   * @returns the frames that are done, oldest first; their latents belong to the caller
   */
  advance(predictions: readonly Float32Array[]): DenoisedFrame<F>[] {
    let next = 0;
    for (const row of this.active()) {
      const negative = needsNegativePass(row.denoising, row.stepIndex) ? predictions[next++] : undefined;
      this.denoise(row, predictions[next++], negative);
    }
    const unfinished = this.rows.findIndex((row) => !row.finished);
    const leaving = this.rows.splice(0, unfinished === -1 ? this.rows.length : unfinished);
    for (const { residual, noise } of leaving) if (residual !== noise[0]) this.pool.give(residual);
    return leaving.map(({ frame, latent }) => ({ frame, latent }));
  }

  /** Removes the frames that `match`, or all of them. */
  remove(match: (frame: F) => boolean = () => true): F[] {
    const removed = this.rows.filter((row) => match(row.frame));
    this.rows = this.rows.filter((row) => !match(row.frame));
    return removed.map((row) => row.frame);
  }

  private active(): Row<F, C>[] {
    return this.rows.filter((row) => !row.finished);
  }

  /** One step of one row: x_τ and ε' of the next step, or x̂0 after the last one. */
  private denoise(row: Row<F, C>, positive: Float32Array, negative: Float32Array | undefined): void {
    const { denoising, stepIndex, latent: x } = row;
    const { residual, latent, nextResidual } = planStep(denoising, stepIndex);
    row.stepIndex++;
    row.finished = row.stepIndex === denoising.steps.length;
    if (residual) this.replaceResidual(row, (target) => evaluate({ x, positive, negative, residual: row.residual }, residual, target));
    const latents = { x, positive, negative: residual ? undefined : negative, residual: row.residual, noise: row.noise[row.stepIndex] };
    row.latent = row.finished ? new Float32Array(x.length) : this.pool.take(x.length);
    if (nextResidual) this.replaceResidual(row, (target) => evaluate(latents, latent, row.latent, [nextResidual, target]));
    else evaluate(latents, latent, row.latent);
    if (row.kept) this.keep(row, row.kept);
    // The entry's own latent belongs to the caller.
    if (stepIndex > 0) this.pool.give(x);
  }

  /** Outside the mask the row goes on as the incoming picture, with as much noise as the row has now. */
  private keep({ latent, denoising, stepIndex, finished, noise }: Row<F, C>, kept: Kept): void {
    const { steps, doAddNoise } = denoising;
    const hasNoise = doAddNoise || steps[stepIndex - 1].intermediate !== undefined;
    keepUnpainted(latent, kept, finished ? undefined : steps[stepIndex], hasNoise ? noise[stepIndex] : undefined);
  }

  private replaceResidual(row: Row<F, C>, write: (target: Float32Array) => void): void {
    const before = row.residual;
    row.residual = this.pool.take(before.length);
    write(row.residual);
    if (before !== row.noise[0]) this.pool.give(before);
  }
}
