/** The savings of each of the paper's ideas, compared with the plain form, on one engine in this process. */
import type { NodeMessage } from 'node-red';
import { SimilarityFilter, type StreamOptions } from '../engine';
import type { DiffusionStream } from '../engine/stream/diffusion-stream';
import { decode, encode } from '../engine/image/codec';
import { FilterTopic } from '../nodes/lib/filter/topic';
import { type Context, msPerFrame, openStream, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';
import { noisyScene } from './scenes';

export interface Comparison {
  /** Median ms per frame. */
  ms: Record<string, number>;
  /** How many times faster, by the name of the compared variant. */
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

/** Figures by scene: the same file repeated, the same with a camera's noise, both with longer rests, and a moving scene. */
export type Filtered = Record<'static' | 'staticNoisy' | 'staticLongRest' | 'staticNoisyLongRest' | 'moving', Figure>;

/** CPU seconds for showing a scene frame by frame, JPEG to JPEG, without the similarity filter ÷ with it (paper, Fig. 7). */
export async function similarityFilter(context: Context): Promise<Filtered> {
  const { size, pictures } = context;
  const stream = await openStream(context);
  const scenes: Record<'still' | 'noisy' | 'moving', Buffer[]> = {
    still: [await encode(pictures[0], 'jpeg', 85)],
    noisy: await Promise.all(noisyScene(pictures[0], 20).map((picture) => encode(picture, 'jpeg', 85))),
    moving: await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85))),
  };
  const show = async (data: Buffer): Promise<void> => {
    for (const { image } of await stream.process({ image: await decode({ kind: 'encoded', data }, size, size) }))
      await encode(image, 'jpeg', 85);
  };
  const rest = async (): Promise<void> => {
    for (const { image } of stream.inFlight > 0 ? await stream.flush() : []) await encode(image, 'jpeg', 85);
  };
  // The count is a multiple of the frames from one that passes to the next, with at most 10 or 32 skipped.
  const frames = context.frames < 20 ? 33 : 66;
  const cpuSeconds = (jpegs: Buffer[], filter?: () => SimilarityFilter) => async (): Promise<number> => {
    const topic = filter && new FilterTopic(filter());
    const before = process.cpuUsage();
    for (let k = 0; k < frames; k++) {
      const payload = jpegs[k % jpegs.length];
      let passes = true;
      await topic?.judge({ _msgid: '', payload } as NodeMessage, (verdict) => (passes = verdict === 'passed'));
      await (passes ? show(payload) : rest());
    }
    await rest();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const saving = async (jpegs: Buffer[], maxSkipFrame = 10): Promise<Figure> => {
    const seconds = await interleave(
      { without: cpuSeconds(jpegs), with: cpuSeconds(jpegs, () => new SimilarityFilter({ threshold: 0.98, maxSkipFrame })) },
      context.rounds,
    );
    return ratio(seconds.without, seconds.with);
  };
  const { still, noisy, moving } = scenes;
  const result = {
    static: await saving(still),
    staticNoisy: await saving(noisy),
    staticLongRest: await saving(still, 32),
    staticNoisyLongRest: await saving(noisy, 32),
    moving: await saving(moving),
  };
  await stream.close();
  return result;
}

async function bySteps(steps: number[], measure: (count: number) => Promise<Comparison>): Promise<Record<number, Comparison>> {
  const results: Record<number, Comparison> = {};
  for (const count of steps) results[count] = await measure(count);
  return results;
}

/** Measures streams with different options in turn, and compares all others with `plain`. */
async function compare(context: Context, plain: string, options: Record<string, Partial<StreamOptions>>): Promise<Comparison> {
  const streams: Record<string, DiffusionStream> = {};
  for (const [name, each] of Object.entries(options)) streams[name] = await openStream(context, each);
  const runs = Object.fromEntries(Object.entries(streams).map(([name, stream]) => [name, () => msPerFrame(context, stream)]));
  const ms = await interleave(runs, context.rounds);
  for (const stream of Object.values(streams)) await stream.close();
  const others = Object.keys(options).filter((name) => name !== plain);
  context.note(
    Object.entries(ms)
      .map(([name, values]) => `${name} ${figure(values).median.toFixed(1)} ms`)
      .join(', '),
  );
  return {
    ms: Object.fromEntries(Object.entries(ms).map(([name, values]) => [name, figure(values).median])),
    speedup: Object.fromEntries(others.map((name) => [name, ratio(ms[plain], ms[name])])),
  };
}
