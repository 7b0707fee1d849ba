/**
 * Stream Batch (arXiv 2312.12491, §3.1): frames at different denoising steps go through the UNet together.
 *
 * Every row in flight is one frame at its own step, with its own noise, guidance state and conditioning. Rows that are
 * not there are not computed, so the first frames are as clean as all others, a stream can be drained at any time, and
 * a frame's output does not depend on which frames happen to share its UNet calls.
 */
import type { PredictionType } from '../types';
import {
  applyBoundary,
  guide,
  type Guidance,
  needsNegativePass,
  predictClean,
  residualNoise,
  residualShift,
  trajectoryResidual,
  trajectoryStep,
  usesResidualNoise,
  virtualNegative,
} from './guidance';
import type { Step } from './schedule';

/** What a frame is denoised under, from its entry to its end. */
export interface Denoising extends Guidance {
  steps: readonly Step[];
  predictionType: PredictionType;
  doAddNoise: boolean;
  /** Strength of each adapter, by its name. */
  weights?: Readonly<Record<string, number>>;
}

/** The positive and negative conditioning of a frame; what they are is the caller's business. */
export interface ConditioningPair<C> {
  positive: C;
  negative: C;
}

export type Pictures = Readonly<Record<string, unknown>>;

/** Positions of a latent: the picture's sides divided by the model's vaeScaleFactor. */
export interface LatentShape {
  height: number;
  width: number;
}

/** A frame on its way into the batch. */
export interface Entry<F, C> {
  frame: F;
  /** x_τ at the first step, [C, h, w]. */
  latent: Float32Array;
  /** h and w. */
  shape: LatentShape;
  /** The noise of this frame, one [C, h, w] for every step. */
  noise: readonly Float32Array[];
  conditioning: ConditioningPair<C>;
  /** What the UNet is shown of the frame at every step, by name; what it is is the caller's business. */
  pictures?: Pictures;
  /** The frame is denoised under another conditioning as well, from its entry to its end, and leaves as a mixture of both. */
  dissolve?: Dissolve<C>;
  /** x̂0 of the last step, where it is known already: the frame only takes its turn. [C, h, w] */
  denoised?: Float32Array;
  denoising: Denoising;
}

/** `part`, 0..1, is the other's share. */
export interface Dissolve<C> {
  conditioning: ConditioningPair<C>;
  part: number;
}

/** One row of a UNet call. */
export interface Evaluation<C> {
  sample: Float32Array;
  shape: LatentShape;
  timestep: number;
  conditioning: C;
  /** w = γ − 1 for a model that was distilled to take it as an input; 0 where guidance is applied from outside. */
  guidance: number;
  weights?: Readonly<Record<string, number>>;
  pictures?: Pictures;
}

/** A frame that is done: x̂0 of the last step, [C, h, w]. */
export interface Denoised<F> {
  frame: F;
  latent: Float32Array;
}

interface Row<F, C> extends Entry<F, C> {
  stepIndex: number;
  /** ε', the virtual residual noise of RCFG. */
  residual: Float32Array;
  finished: boolean;
  /** The same frame under the conditioning that it dissolves into. */
  other?: Row<F, C>;
}

/** @typeParam F what identifies a frame to the caller; @typeParam C a conditioning */
export class StreamBatch<F, C> {
  /** Oldest first. A row stays until all older ones are finished, so that frames leave in the order they came. */
  private rows: Row<F, C>[] = [];

  /** Frames that have not left yet. */
  get inFlight(): number {
    return this.rows.length;
  }

  /** Puts a frame at the first step. */
  enter(entry: Entry<F, C>): void {
    const { denoised } = entry;
    const row = { ...entry, latent: denoised ?? entry.latent, stepIndex: 0, residual: entry.noise[0], finished: denoised !== undefined };
    this.rows.push(entry.dissolve ? { ...row, other: { ...row, conditioning: entry.dissolve.conditioning } } : row);
  }

  /** Makes the frames in flight that `match` go on under another conditioning. */
  setConditioning(conditioning: ConditioningPair<C>, match: (frame: F) => boolean = () => true): void {
    for (const row of this.rows) {
      if (!match(row.frame)) continue;
      row.conditioning = conditioning;
      row.other = undefined;
    }
  }

  /** Makes the frames in flight that `match` go on under other settings; under other steps where there are as many. */
  setDenoising(denoising: Denoising, match: (frame: F) => boolean = () => true): void {
    for (const row of this.rows.flatMap(both)) {
      if (!match(row.frame)) continue;
      const { steps } = row.denoising;
      row.denoising = denoising.steps.length === steps.length ? denoising : { ...denoising, steps };
    }
  }

  /** What the UNet has to predict for the next tick: for every frame one row (two in a dissolve), before it a negative one where guidance needs it. */
  evaluations(): Evaluation<C>[] {
    return this.active()
      .flatMap(both)
      .flatMap((row) => {
        const timestep = row.denoising.steps[row.stepIndex].timestep;
        const { positive, negative } = row.conditioning;
        const { cfgType, guidanceScale, weights } = row.denoising;
        const guidance = cfgType === 'none' ? Math.max(0, guidanceScale - 1) : 0;
        const { shape, pictures } = row;
        const evaluation = (conditioning: C) => ({ sample: row.latent, shape, timestep, conditioning, guidance, weights, pictures });
        return needsNegativePass(row.denoising, row.stepIndex) ? [evaluation(negative), evaluation(positive)] : [evaluation(positive)];
      });
  }

  /**
   * Moves every frame one step on.
   *
   * @param predictions the UNet's answers, in the order of {@link evaluations}
   * @returns the frames that are done, oldest first
   */
  advance(predictions: readonly Float32Array[]): Denoised<F>[] {
    let next = 0;
    for (const row of this.active().flatMap(both)) {
      const negative = needsNegativePass(row.denoising, row.stepIndex) ? predictions[next++] : undefined;
      denoise(row, predictions[next++], negative);
    }
    const unfinished = this.rows.findIndex((row) => !row.finished);
    const leaving = this.rows.splice(0, unfinished === -1 ? this.rows.length : unfinished);
    return leaving.map(({ frame, latent, other, dissolve }) => ({
      frame,
      latent: other && dissolve ? mix(latent, other.latent, dissolve.part) : latent,
    }));
  }

  /** Takes out the frames that `match`, or all of them. */
  remove(match: (frame: F) => boolean = () => true): F[] {
    const removed = this.rows.filter((row) => match(row.frame));
    this.rows = this.rows.filter((row) => !match(row.frame));
    return removed.map((row) => row.frame);
  }

  private active(): Row<F, C>[] {
    return this.rows.filter((row) => !row.finished);
  }
}

function both<F, C>(row: Row<F, C>): Row<F, C>[] {
  return row.other ? [row, row.other] : [row];
}

/** One step of one row, in place: x_τ and ε' of the next step, or x̂0 after the last one. */
function denoise<F, C>(row: Row<F, C>, positive: Float32Array, negative: Float32Array | undefined): void {
  const { denoising, stepIndex, latent: x } = row;
  const step = denoising.steps[stepIndex];
  const residual = usesResidualNoise(denoising);

  let clean = predictClean(positive, x, step, denoising.predictionType);
  if (negative) {
    const negativeClean = predictClean(negative, x, step, denoising.predictionType);
    if (residual) row.residual = residualNoise(x, negativeClean, step);
    else clean = guide(clean, negativeClean, denoising.guidanceScale);
  }
  if (residual) {
    clean = guide(clean, virtualNegative(x, row.residual, denoising.delta, step, clean), denoising.guidanceScale);
  }

  const denoised = applyBoundary(clean, x, step);
  row.stepIndex++;
  row.finished = row.stepIndex === denoising.steps.length;
  if (row.finished) {
    row.latent = denoised;
    return;
  }
  const next = denoising.steps[row.stepIndex];
  if (step.intermediate) {
    row.latent = trajectoryStep(clean, x, row.noise[row.stepIndex], step, step.intermediate, next);
    if (residual) row.residual = trajectoryResidual(clean, x, row.residual, step, row.latent, next);
    return;
  }
  const noise = denoising.doAddNoise ? row.noise[row.stepIndex] : undefined;
  // Without added noise the residual is the shift alone: the reference adds noise here that x_τ does not contain.
  if (residual) row.residual = plusNoise(residualShift(clean, x, row.residual, step, next), 1, noise);
  row.latent = plusNoise(scaled(denoised, next.alphaProdTSqrt), next.betaProdTSqrt, noise);
}

/**
 * Forward diffusion: x_τ = √ᾱ x0 + √(1-ᾱ) ε.
 *
 * @param clean x0, [C, h, w]
 * @param noise ε, [C, h, w]
 */
export function addNoise(clean: Float32Array, noise: Float32Array, step: Step): Float32Array {
  return plusNoise(scaled(clean, step.alphaProdTSqrt), step.betaProdTSqrt, noise);
}

/** (1 - part)·a + part·b */
export function mix(a: Float32Array, b: Float32Array, part: number): Float32Array {
  return a.map((value, k) => value + part * (b[k] - value));
}

function scaled(values: Float32Array, factor: number): Float32Array {
  return values.map((value) => factor * value);
}

function plusNoise(values: Float32Array, amount: number, noise: Float32Array | undefined): Float32Array {
  return noise ? values.map((value, k) => value + amount * noise[k]) : values;
}
