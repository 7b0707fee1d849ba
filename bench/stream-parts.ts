/** What the paper's ideas save, each against its plain form, on one engine in this process. */
import { SimilarityFilter, type StreamOptions } from '../engine';
import type { DiffusionStream } from '../engine/diffusion-stream';
import { thumbnail } from '../engine/image/codec';
import { type Context, msPerFrame, openStream, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';

export interface Comparison {
  /** ms per frame, medians. */
  ms: Record<string, number>;
  /** How many times faster, by the name of what was compared. */
  speedup: Record<string, Figure>;
}

/** Stream Batch against denoising each frame through all steps before the next (paper, Fig. 5). */
export async function streamBatch(context: Context, steps = [1, 2, 4, 10]): Promise<Record<number, Comparison>> {
  return bySteps(steps, async (count) => {
    const tIndices = tIndexList(count);
    return compare(context, 'sequential', {
      sequential: { tIndexList: tIndices, useDenoisingBatch: false },
      batch: { tIndexList: tIndices },
    });
  });
}

/** Residual guidance against classifier-free guidance with two passes (paper, Table 2). */
export async function residualGuidance(context: Context, steps = [1, 2, 3, 4, 5]): Promise<Record<number, Comparison>> {
  return bySteps(steps, async (count) => {
    const guided = { tIndexList: tIndexList(count), guidanceScale: 1.4 };
    return compare(context, 'full', {
      full: { ...guided, cfgType: 'full' },
      self: { ...guided, cfgType: 'self' },
      initialize: { ...guided, cfgType: 'initialize' },
    });
  });
}

/** CPU seconds for showing a scene frame by frame, without the similarity filter ÷ with it (paper, Fig. 7). */
export async function similarityFilter(context: Context): Promise<Record<'static' | 'staticLongRest' | 'moving', Figure>> {
  const stream = await openStream(context);
  const { pictures } = context;
  const frames = 3 * context.frames;
  const cpuSeconds = async (filter: SimilarityFilter | undefined, picture: (k: number) => number) => {
    const before = process.cpuUsage();
    for (let k = 0; k < frames; k++) {
      const image = pictures[picture(k)];
      // As the filter node does it: a thumbnail is enough to compare.
      if (!filter || filter.accepts(await thumbnail({ kind: 'raw', ...image }))) await stream.process({ image });
      else if (stream.inFlight > 0) await stream.flush();
    }
    await stream.flush();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const saving = async (picture: (k: number) => number, maxSkipFrame = 10) => {
    const seconds = await interleave(
      { without: () => cpuSeconds(undefined, picture), with: () => cpuSeconds(new SimilarityFilter({ threshold: 0.98, maxSkipFrame }), picture) },
      context.rounds,
    );
    return ratio(seconds.without, seconds.with);
  };
  const result = { static: await saving(() => 0), staticLongRest: await saving(() => 0, 30), moving: await saving((k) => k % pictures.length) };
  await stream.close();
  return result;
}

/** Frames a second of several streams on one engine, all together ÷ those of one stream. */
export async function sharedEngine(context: Context, counts = [2, 4, 8]): Promise<Record<number, Figure>> {
  const streams = await Promise.all(Array.from({ length: Math.max(...counts) }, (_, k) => openStream(context, { seed: k })));
  const run = (count: number) => async () => {
    const share = { ...context, frames: Math.max(4, Math.round(context.frames / count)) };
    const started = performance.now();
    await Promise.all(streams.slice(0, count).map((stream) => msPerFrame(share, stream)));
    return (performance.now() - started) / (share.frames * count);
  };
  const ms = await interleave(Object.fromEntries([1, ...counts].map((count) => [count, run(count)])), context.rounds);
  await Promise.all(streams.map((stream) => stream.close()));
  return Object.fromEntries(counts.map((count) => [count, ratio(ms[1], ms[count])]));
}

async function bySteps(steps: number[], measure: (count: number) => Promise<Comparison>): Promise<Record<number, Comparison>> {
  const results: Record<number, Comparison> = {};
  for (const count of steps) results[count] = await measure(count);
  return results;
}

/** Streams with different options, in turn; all others against `plain`. */
async function compare(context: Context, plain: string, options: Record<string, Partial<StreamOptions>>): Promise<Comparison> {
  const streams: Record<string, DiffusionStream> = {};
  for (const [name, each] of Object.entries(options)) streams[name] = await openStream(context, each);
  const runs = Object.fromEntries(Object.entries(streams).map(([name, stream]) => [name, () => msPerFrame(context, stream)]));
  const ms = await interleave(runs, context.rounds);
  for (const stream of Object.values(streams)) await stream.close();
  const others = Object.keys(options).filter((name) => name !== plain);
  context.note(Object.entries(ms).map(([name, values]) => `${name} ${figure(values).median.toFixed(1)} ms`).join(', '));
  return {
    ms: Object.fromEntries(Object.entries(ms).map(([name, values]) => [name, figure(values).median])),
    speedup: Object.fromEntries(others.map((name) => [name, ratio(ms[plain], ms[name])])),
  };
}
