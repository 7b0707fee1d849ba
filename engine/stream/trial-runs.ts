import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import { EngineError, type ErrorCode } from '../errors';
import type { Model } from '../model/model';
import { LruCache } from '../util/lru-cache';
import type { SharedUnet } from './shared-unet';
import type { Cost } from './size-cost';

/** The number of sizes whose recent costs are kept. */
const SIZES_KEPT = 64;
/** Results of trials are used for this long, ms, so that repeating a refused request causes no further trials. */
const RECENT_MS = 60_000;
/** Errors of a first run that do not depend on the picture size. */
const NOT_THE_SIZE = new Set<ErrorCode>(['ENOMODEL', 'ENETWORK', 'ETIMEOUT', 'EDENIED', 'ECLOSED']);

/** Runs the nets of a model once at a size, to measure what a frame costs there. */
export class TrialRuns {
  private readonly recent = new LruCache<{ cost: Cost; times: number; at: number }>(SIZES_KEPT);

  constructor(
    private readonly model: Model,
    private readonly unet: SharedUnet,
  ) {}

  /**
   * The cost of a size with one row, measured unless it was measured recently.
   *
   * @param key of the size
   * @param times how often it must have been measured. The quickest counts: a machine with other work must not refuse what it
   *   can do.
   * @throws as {@link measure}
   */
  async find(setup: StreamSetup, shape: LatentShape, key: string, times = 1): Promise<Cost> {
    const kept = this.recent.get(key);
    const recent = kept && isRecent(kept) ? kept : undefined;
    if (recent && recent.times >= times) return recent.cost;
    const cost = await this.measure(setup, shape);
    if (recent) cost.unetMs = Math.min(cost.unetMs, recent.cost.unetMs);
    if (recent) cost.vaeMs = Math.min(cost.vaeMs, recent.cost.vaeMs);
    this.recent.set(key, { cost, times: 1 + (recent?.times ?? 0), at: performance.now() });
    return cost;
  }

  /** @throws EBADPARAM when the nets do not work at this size */
  async measure({ options, denoising }: StreamSetup, shape: LatentShape, rows = 1): Promise<Cost> {
    const { model } = this;
    const { latentChannels, vaeScaleFactor } = model.info;
    const [height, width] = [shape.height * vaeScaleFactor, shape.width * vaeScaleFactor];
    try {
      const began = performance.now();
      const picture = { data: new Uint8Array(3 * height * width), width, height, channels: 3 as const };
      if (options.mode === 'img2img') await model.requireEncoder().encodePicture(picture);
      const encoded = performance.now();
      await this.runUnet({ denoising }, shape, rows);
      const denoised = performance.now();
      await model.vaeDecoder.decodePicture(new Float32Array(latentChannels * shape.height * shape.width), shape.height, shape.width);
      const vaeMs = encoded - began + performance.now() - denoised;
      return { area: height * width, unetMs: (denoised - encoded) / rows, vaeMs, peak: peakMemory(), rows };
    } catch (thrown) {
      if (thrown instanceof EngineError && NOT_THE_SIZE.has(thrown.code)) throw thrown;
      throw new EngineError('EBADPARAM', `this model does not work at ${width}x${height}: ${(thrown as Error).message}`, { cause: thrown });
    }
  }

  /** One UNet call with this many rows. */
  async runUnet({ denoising }: Pick<StreamSetup, 'denoising'>, shape: LatentShape, rows: number): Promise<void> {
    const { latentChannels } = this.model.info;
    const sample = new Float32Array(latentChannels * shape.height * shape.width);
    const conditioning = await this.model.textEncoder.blank();
    const row = { sample, shape, timestep: denoising.steps[0].timestep, conditioning, guidance: 0, weights: denoising.weights };
    await this.unet.predict(new Array<typeof row>(rows).fill(row));
  }
}

/** Whether a result of a trial is still used. @param at when it was found, by `performance.now()` */
export function isRecent({ at }: { at: number }): boolean {
  return performance.now() - at < RECENT_MS;
}

/** The most resident memory of this process until now, bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
