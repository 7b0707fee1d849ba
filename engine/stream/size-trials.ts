import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import { EngineError } from '../errors';
import type { Model } from '../model/model';
import { availableMemory } from '../util/available-memory';
import { LruCache } from '../util/lru-cache';
import { SerialQueue } from '../util/serial-queue';
import type { SharedUnet } from './shared-unet';
import { areaOf, type Cost, estimatedPeak, estimatedTickMs, rowsOf, tickMs } from './size-cost';
import { isRecent, peakMemory, TrialRuns } from './trial-runs';

/** The number of picture sizes whose results are kept; others are tried again. */
const SIZES_KEPT = 64;
/** Pixels times rows of one UNet call, below which memory is not checked. */
const LARGE = 1024 ** 2;
/** The trials of a large size begin with one of about this many pixels. */
const FIRST_AREA = 256 ** 2;
/** The factor of pixels, and then of rows, from one trial to the next. */
const GROWTH = 4;
/** A change may always make frames slower by this factor, however slow they are then. */
const SLOWER = 8;
/** No frame may take longer than this, ms: an engine that takes that long to open a stream counts as broken. */
const LONGEST_TICK = 600_000;
/** Latent sizes that are multiples of this work with every UNet: most halve them three times. */
const LATENT_STEP = 8;

/** A change of a running stream. */
export interface LiveChange {
  /** The setup that the stream was opened with, so that many small changes get no further than one large change. */
  from: StreamSetup;
  /** Whether newer settings have arrived, so that this trial is pointless. */
  isOvertaken: () => boolean;
}

/** The error of a trial that newer settings made pointless. */
export class Overtaken extends EngineError {
  constructor() {
    super('ECLOSED', 'newer settings arrived while these were being prepared');
  }
}

export interface TrialLimits {
  /** The most resident memory of this process, bytes. Default: {@link availableMemory}. */
  memory?: number;
  /** The longest tick at a size that a running stream changes to, ms. Default: no limit. */
  liveMs?: number;
  /** The longest tick at any size, ms. Default: {@link LONGEST_TICK}. */
  longestMs?: number;
}

/**
 * Finds out at which picture sizes a model works on this machine, for all streams of an engine. A size is tried with one run of
 * every net, which also compiles and allocates before the first frame. A size that may be too large is approached from below,
 * and refused as soon as smaller trials show it, since a run cannot be interrupted.
 */
export class SizeTrials {
  private readonly queue = new SerialQueue();
  private readonly known = new LruCache<Cost>(SIZES_KEPT);
  private readonly refused = new LruCache<{ error: EngineError; at: number }>(SIZES_KEPT);
  private readonly runs: TrialRuns;
  private readonly memory: number;
  private readonly liveMs: number;
  private readonly longestMs: number;

  constructor(
    private readonly model: Model,
    unet: SharedUnet,
    { memory = availableMemory(), liveMs = Infinity, longestMs = LONGEST_TICK }: TrialLimits = {},
  ) {
    this.runs = new TrialRuns(model, unet);
    this.memory = memory;
    this.liveMs = liveMs;
    this.longestMs = longestMs;
  }

  /**
   * Resolves when the setup is known to work.
   *
   * @param change of a running stream, which must not be held up for long
   * @throws EBADPARAM when the nets do not work at this size, or it takes too much memory or time; Overtaken
   */
  async ensure(setup: StreamSetup, change?: LiveChange): Promise<void> {
    if (this.isKnown(setup, change)) return;
    const key = keyOf(setup, rowsOf(setup));
    const refused = this.refused.get(key);
    if (refused && isRecent(refused)) throw refused.error;
    await this.queue.run(async () => {
      if (this.isKnown(setup, change)) return;
      try {
        await this.approach(setup, change);
      } catch (thrown) {
        if (thrown instanceof EngineError && thrown.code === 'EBADPARAM') this.refused.set(key, { error: thrown, at: performance.now() });
        throw thrown;
      }
    });
  }

  private isKnown(setup: StreamSetup, change: LiveChange | undefined): boolean {
    const cost = this.known.get(this.keyOfSize(setup));
    const rows = rowsOf(setup);
    if (!cost) return false;
    if (rows > cost.rows && rows * areaOf(setup) > LARGE) return false;
    return !this.isMuchMore(setup, change) || tickMs(cost, rows) <= this.liveMs;
  }

  /** Whether a change may make a running stream so much slower that its time must be measured. */
  private isMuchMore(setup: StreamSetup, change: LiveChange | undefined): change is LiveChange {
    return (
      change !== undefined &&
      Number.isFinite(this.liveMs) &&
      areaOf(setup) * rowsOf(setup) > SLOWER * areaOf(change.from) * rowsOf(change.from)
    );
  }

  /** Makes trials of growing size, by a factor of {@link GROWTH} in pixels and then in rows. */
  private async approach(setup: StreamSetup, change: LiveChange | undefined): Promise<void> {
    const [area, rows] = [areaOf(setup), rowsOf(setup)];
    const { compilesShapes } = this.model.unet.place;
    const isLarge = area * rows > LARGE;
    const isMuchMore = this.isMuchMore(setup, change);
    const climbs = !compilesShapes && (isLarge || isMuchMore);
    if (climbs && change?.isOvertaken()) throw new Overtaken();
    // First runs are slow, so a size that is known to work is run once more.
    let before = climbs && change ? await this.runs.find(change.from, change.from.shape, keyOf(change.from, 1)) : undefined;
    const limitMs = before && isMuchMore ? Math.max(this.liveMs, SLOWER * tickMs(before, rowsOf(change.from))) : this.longestMs;
    const find = async (shape: LatentShape, key: string): Promise<Cost> => {
      const cost = await this.runs.find(setup, shape, key);
      const isTooSlow = before && estimatedTickMs(setup, before, cost) > limitMs;
      return isTooSlow ? this.runs.find(setup, shape, key, 2) : cost;
    };
    if (climbs) {
      for (let next = before ? before.area * GROWTH : FIRST_AREA; next * 2 < area; next *= GROWTH) {
        const cost = await find(shapeOf(setup, next), `${setup.options.mode} ${next}`).catch(() => undefined);
        if (change?.isOvertaken()) throw new Overtaken();
        // The model may refuse this intermediate size, which nobody asked for.
        if (!cost) continue;
        if (before) this.check(setup, before, cost, limitMs);
        before = cost;
      }
    }
    const rowsTried = this.rowsToWarmUp(rows);
    const cost =
      climbs && rowsTried === 1 ? await find(setup.shape, keyOf(setup, 1)) : await this.runs.measure(setup, setup.shape, rowsTried);
    if (climbs) this.check(setup, before ?? cost, cost, limitMs);
    if (climbs && isLarge) await this.climbRows(setup, cost);
    const rowsBefore = this.known.get(this.keyOfSize(setup))?.rows ?? 1;
    this.known.set(this.keyOfSize(setup), { ...cost, rows: Math.max(rowsBefore, cost.rows, rows) });
  }

  /** Measures memory with growing numbers of rows, since it cannot be derived from one row. */
  private async climbRows(setup: StreamSetup, one: Cost): Promise<void> {
    const rows = rowsOf(setup);
    let { peak } = one;
    for (let tried = 1, next = GROWTH; tried < rows; tried = next, next *= GROWTH) {
      const n = Math.min(next, rows);
      const row = (peak - one.peak) / Math.max(1, tried - 1);
      this.checkMemory(setup, peak + row * (rows - tried));
      if (n === rows) return;
      await this.runs.runUnet(setup, setup.shape, n);
      peak = peakMemory();
    }
  }

  /** @throws EBADPARAM when two trials show that the setup takes too much time or memory */
  private check(setup: StreamSetup, smaller: Cost, larger: Cost, limitMs: number): void {
    const ms = estimatedTickMs(setup, smaller, larger);
    if (ms > limitMs) {
      const why =
        limitMs < this.longestMs
          ? 'which is too long for a change of a running stream; set it in the dialog, or choose smaller values'
          : 'which is too long; choose fewer pixels, steps or frames in the buffer';
      throw new EngineError('EBADPARAM', `${nameOf(setup)} would take about ${(ms / 1000).toFixed(0)} s a frame on this machine, ${why}`);
    }
    this.checkMemory(setup, estimatedPeak(setup, smaller, larger));
  }

  private checkMemory(setup: StreamSetup, expected: number): void {
    // The pictures of the frame buffer take memory besides the nets.
    const bytes = expected + setup.options.frameBufferSize * areaOf(setup) * 3 * 2;
    if (bytes <= this.memory) return;
    throw new EngineError(
      'EBADPARAM',
      `${nameOf(setup)} would take about ${megabytes(bytes)} of memory, and the engine may take ${megabytes(this.memory)}; choose fewer pixels, steps or frames in the buffer`,
    );
  }

  /** The number of rows to try: where shapes are compiled, each number of rows is a shape of its own. */
  private rowsToWarmUp(rows: number): number {
    return this.model.unet.place.compilesShapes ? rows : 1;
  }

  private keyOfSize(setup: StreamSetup): string {
    return keyOf(setup, this.rowsToWarmUp(rowsOf(setup)));
  }
}

function keyOf({ shape, options: { mode } }: StreamSetup, rows: number): string {
  return `${shape.width}x${shape.height} ${mode} ${rows}`;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

function nameOf({ options: { width, height, tIndexList, frameBufferSize } }: StreamSetup): string {
  return `${width}x${height} with ${tIndexList.length} steps and a buffer of ${frameBufferSize}`;
}

/** The latent shape of a picture of about `area` pixels in a setup's proportions. */
function shapeOf(setup: StreamSetup, area: number): LatentShape {
  const scale = Math.sqrt(area / areaOf(setup));
  const side = (length: number): number => Math.max(LATENT_STEP, Math.round((length * scale) / LATENT_STEP) * LATENT_STEP);
  return { height: side(setup.shape.height), width: side(setup.shape.width) };
}
