import { availableMemory } from '../util/available-memory';
import { EngineError, type ErrorCode } from '../errors';
import { SerialQueue } from '../util/serial-queue';
import type { Model } from '../model/model';
import { LruCache } from '../util/lru-cache';
import type { SharedUnet } from './shared-unet';
import { needsNegativePass } from '../diffusion/guidance';
import type { StreamSetup } from '../diffusion/setup';
import type { LatentShape } from '../diffusion/latent';

/** Pictures of so many sizes are known to work, or are tried again. */
const SIZES_KEPT = 64;
/** What can go wrong in a first run whatever the picture size. */
const NOT_THE_SIZE = new Set<ErrorCode>(['ENOMODEL', 'ENETWORK', 'ETIMEOUT', 'EDENIED', 'ECLOSED']);
/** Pixels times rows of one UNet call, below which nothing is asked about memory. */
const LARGE = 1024 ** 2;
/** A trial of a large size begins with one of about so many pixels. */
const FIRST_AREA = 256 ** 2;
/** From one trial to the next. */
const GROWTH = 4;
/** A change may make frames so many times slower, however slow they are then. */
const SLOWER = 8;
/** What a trial found out holds for this long, ms: who asks for what is refused, over and over, is answered without another one. */
const FOUND_FOR = 60_000;
/** No frame may take longer than this, ms, whoever asks for it: an engine that opens a stream for that long is taken for broken. */
const LONGEST_TICK = 600_000;
/** Latent sizes that every UNet takes: most halve them three times. */
const LATENT_STEP = 8;

/** What one frame costs at a picture size: one run of each net. */
interface Cost {
  /** Pixels. */
  area: number;
  unetMs: number;
  /** Encoder and decoder. */
  vaeMs: number;
  /** The most resident memory of this process until now, bytes. */
  peak: number;
  /** The most rows that went through the UNet at once. */
  rows: number;
}

/** A change while a stream runs. */
export interface LiveChange {
  /** What the stream was opened with: by many small changes it gets no further than by one. */
  from: StreamSetup;
  /** Whether newer settings have come, which make this trial pointless. */
  isOvertaken: () => boolean;
}

/** What a trial ends with that newer settings made pointless. */
export class Overtaken extends EngineError {
  constructor() {
    super('ECLOSED', 'newer settings came while these were being prepared');
  }
}

export interface TrialLimits {
  /** Resident memory of this process, bytes. Default: what {@link availableMemory} says. */
  memory?: number;
  /** What one tick may take at a size that a running stream changes to, ms. Default: no limit. */
  liveMs?: number;
  /** What one tick may take at any size, ms. Default: {@link LONGEST_TICK}. */
  longestMs?: number;
}

/**
 * Which picture sizes a model works at on this machine, for all streams of an engine. A size is tried with one run of every
 * net, which compiles or allocates now and not at the first frame. What may be too much is approached from below, and refused as
 * soon as the trials so far say so: a run that has begun cannot be given up.
 */
export class SizeTrials {
  private readonly queue = new SerialQueue();
  private readonly known = new LruCache<Cost>(SIZES_KEPT);
  private readonly refused = new LruCache<{ error: EngineError; at: number }>(SIZES_KEPT);
  private readonly found = new LruCache<{ cost: Cost; times: number; at: number }>(SIZES_KEPT);
  private readonly memory: number;
  private readonly liveMs: number;
  private readonly longestMs: number;

  constructor(
    private readonly model: Model,
    private readonly unet: SharedUnet,
    { memory = availableMemory(), liveMs = Infinity, longestMs = LONGEST_TICK }: TrialLimits = {},
  ) {
    this.memory = memory;
    this.liveMs = liveMs;
    this.longestMs = longestMs;
  }

  /**
   * Resolves when the setup is known to work.
   *
   * @param change of a running stream, whose pictures must not stay away for long
   * @throws EBADPARAM when the nets do not work at this size, or it takes too much memory or time; Overtaken
   */
  async ensure(setup: StreamSetup, change?: LiveChange): Promise<void> {
    if (this.isKnown(setup, change)) return;
    const key = keyOf(setup, rowsOf(setup));
    const refused = this.refused.get(key);
    if (refused && isLate(refused)) throw refused.error;
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

  /** Whether a change may make a running stream so much slower that this has to be found out. */
  private isMuchMore(setup: StreamSetup, change: LiveChange | undefined): change is LiveChange {
    return (
      change !== undefined &&
      Number.isFinite(this.liveMs) &&
      areaOf(setup) * rowsOf(setup) > SLOWER * areaOf(change.from) * rowsOf(change.from)
    );
  }

  /** One trial after the other, each of a few times more pixels, then rows, than the one before. */
  private async approach(setup: StreamSetup, change: LiveChange | undefined): Promise<void> {
    const [area, rows] = [areaOf(setup), rowsOf(setup)];
    const { compilesShapes } = this.model.unet.place;
    const isLarge = area * rows > LARGE;
    const isMuchMore = this.isMuchMore(setup, change);
    const climbs = !compilesShapes && (isLarge || isMuchMore);
    if (climbs && change?.isOvertaken()) throw new Overtaken();
    // The times of first runs say little, so what is known is run once more.
    let before = climbs && change ? await this.find(change.from, change.from.shape, keyOf(change.from, 1)) : undefined;
    const limitMs = before && isMuchMore ? Math.max(this.liveMs, SLOWER * tickMs(before, rowsOf(change.from))) : this.longestMs;
    const find = async (shape: LatentShape, key: string): Promise<Cost> => {
      const cost = await this.find(setup, shape, key);
      const isTooSlow = before && this.tickAt(setup, before, cost) > limitMs;
      return isTooSlow ? this.find(setup, shape, key, 2) : cost;
    };
    if (climbs) {
      for (let next = before ? before.area * GROWTH : FIRST_AREA; next * 2 < area; next *= GROWTH) {
        const cost = await find(shapeOf(setup, next), `${setup.options.mode} ${next}`).catch(() => undefined);
        if (change?.isOvertaken()) throw new Overtaken();
        // A model may refuse a size that nobody has asked for.
        if (!cost) continue;
        if (before) this.check(setup, before, cost, limitMs);
        before = cost;
      }
    }
    const rowsTried = this.rowsToWarmUp(rows);
    const cost = climbs && rowsTried === 1 ? await find(setup.shape, keyOf(setup, 1)) : await this.measure(setup, setup.shape, rowsTried);
    if (climbs) this.check(setup, before ?? cost, cost, limitMs);
    if (climbs && isLarge) await this.climbRows(setup, cost);
    const rowsBefore = this.known.get(this.keyOfSize(setup))?.rows ?? 1;
    this.known.set(this.keyOfSize(setup), { ...cost, rows: Math.max(rowsBefore, cost.rows, rows) });
  }

  /** The memory of rows is known only by rows. */
  private async climbRows(setup: StreamSetup, one: Cost): Promise<void> {
    const rows = rowsOf(setup);
    let { peak } = one;
    for (let tried = 1, next = GROWTH; tried < rows; tried = next, next *= GROWTH) {
      const n = Math.min(next, rows);
      const row = (peak - one.peak) / Math.max(1, tried - 1);
      this.checkMemory(setup, peak + row * (rows - tried));
      if (n === rows) return;
      await this.runUnet(setup, setup.shape, n);
      peak = peakMemory();
    }
  }

  /** @throws EBADPARAM when two trials say that the setup takes too much */
  private check(setup: StreamSetup, smaller: Cost, larger: Cost, limitMs: number): void {
    const area = areaOf(setup);
    const ms = this.tickAt(setup, smaller, larger);
    if (ms > limitMs) {
      const why =
        limitMs < this.longestMs
          ? 'which is too long for a change while pictures are to come; set it in the dialog, or choose less'
          : 'which is too long; choose fewer pixels, steps or frames in the buffer';
      throw new EngineError('EBADPARAM', `${nameOf(setup)} would take about ${(ms / 1000).toFixed(0)} s a frame on this machine, ${why}`);
    }
    this.checkMemory(setup, linear([smaller.area, smaller.peak], [larger.area, larger.peak], area));
  }

  /** What a frame would take by what two smaller ones took, ms. */
  private tickAt(setup: StreamSetup, smaller: Cost, larger: Cost): number {
    const at = (name: 'unetMs' | 'vaeMs'): number => extrapolate([smaller.area, smaller[name]], [larger.area, larger[name]], areaOf(setup));
    return at('vaeMs') + at('unetMs') * rowsOf(setup);
  }

  private checkMemory(setup: StreamSetup, expected: number): void {
    // The pictures of a buffer wait beside the nets.
    const bytes = expected + setup.options.frameBufferSize * areaOf(setup) * 3 * 2;
    if (bytes <= this.memory) return;
    throw new EngineError(
      'EBADPARAM',
      `${nameOf(setup)} would take about ${megabytes(bytes)} of memory, and the engine may take ${megabytes(this.memory)}; choose fewer pixels, steps or frames in the buffer`,
    );
  }

  /**
   * What one row costs at a size, of late: measured, unless that is known.
   *
   * @param times of which the quickest counts: a machine with other work must not refuse what it can do
   */
  private async find(setup: StreamSetup, shape: LatentShape, key: string, times = 1): Promise<Cost> {
    const kept = this.found.get(key);
    const late = kept && isLate(kept) ? kept : undefined;
    if (late && late.times >= times) return late.cost;
    const cost = await this.measure(setup, shape);
    if (late) cost.unetMs = Math.min(cost.unetMs, late.cost.unetMs);
    if (late) cost.vaeMs = Math.min(cost.vaeMs, late.cost.vaeMs);
    this.found.set(key, { cost, times: 1 + (late?.times ?? 0), at: performance.now() });
    return cost;
  }

  private async measure({ options, denoising }: StreamSetup, shape: LatentShape, rows = 1): Promise<Cost> {
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

  private async runUnet({ denoising }: Pick<StreamSetup, 'denoising'>, shape: LatentShape, rows: number): Promise<void> {
    const { latentChannels } = this.model.info;
    const sample = new Float32Array(latentChannels * shape.height * shape.width);
    const conditioning = await this.model.textEncoder.blank();
    const row = { sample, shape, timestep: denoising.steps[0].timestep, conditioning, guidance: 0, weights: denoising.weights };
    await this.unet.predict(new Array<typeof row>(rows).fill(row));
  }

  /** Where shapes are compiled, each number of rows is another one. */
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

/** Rows of one UNet call when all places are taken. */
function rowsOf({ denoising, options }: StreamSetup): number {
  return denoising.steps.reduce((count, _, step) => count + (needsNegativePass(denoising, step) ? 2 : 1), 0) * options.frameBufferSize;
}

const isLate = ({ at }: { at: number }): boolean => performance.now() - at < FOUND_FOR;
const areaOf = ({ options: { width, height } }: StreamSetup): number => width * height;
const tickMs = ({ vaeMs, unetMs }: Cost, rows: number): number => vaeMs + unetMs * rows;
const peakMemory = (): number => process.resourceUsage().maxRSS * 1024;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

function nameOf({ options: { width, height, tIndexList, frameBufferSize } }: StreamSetup): string {
  return `${width}x${height} with ${tIndexList.length} steps and a buffer of ${frameBufferSize}`;
}

/** The shape of a setup's latents, with about so many pixels. */
function shapeOf(setup: StreamSetup, area: number): LatentShape {
  const scale = Math.sqrt(area / areaOf(setup));
  const side = (length: number): number => Math.max(LATENT_STEP, Math.round((length * scale) / LATENT_STEP) * LATENT_STEP);
  return { height: side(setup.shape.height), width: side(setup.shape.width) };
}

type Point = [area: number, value: number];

function linear([a, x]: Point, [b, y]: Point, area: number): number {
  return b > a ? y + (Math.max(0, y - x) / (b - a)) * Math.max(0, area - b) : y * Math.max(1, area / b);
}

/** On a line, or where it grew faster than the area, as attention does, on with that power. */
function extrapolate(smaller: Point, larger: Point, area: number): number {
  const [[a, x], [b, y]] = [smaller, larger];
  const power = b > a && x > 0 ? Math.log(y / x) / Math.log(b / a) : 1;
  return Math.max(linear(smaller, larger, area), power > 1 ? y * Math.max(1, area / b) ** power : 0);
}
