/** Several streams on one engine, which share its host process as nodes do. */
import { acquireHost, type RemoteStream, stopAllHosts } from '../engine/host/client';
import { encode } from '../engine/image/codec';
import { type Context, tIndexList } from './context';
import { figure, type Figure } from './interleave';
import { saturate } from './saturate';

export interface Shared {
  /** Frames per second of all streams together ÷ those of one stream alone. */
  speedup: Figure;
  /** Frames per second of the slowest stream ÷ those of the fastest. */
  slowestToFastest: Figure;
  /** Frames per second of all streams together. */
  fps: Figure;
}

/** Interval between two frames of one of several sources, ms: together they are much faster than the engine, without flooding it. */
const interval = (count: number): number => Math.max(6, 3 * count);

export async function sharedEngine(
  { model, size, rounds, frames, pictures }: Context,
  counts = [2, 4, 8],
): Promise<Record<number, Shared>> {
  const jpegs = await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85)));
  const host = acquireHost({ model });
  const streams: RemoteStream[] = [];
  for (let k = 0; k < Math.max(...counts); k++) {
    const stream = host.openStream({ mode: 'img2img', width: size, height: size, tIndexList: tIndexList(2), cfgType: 'none', seed: k });
    await stream.setConditioning({ prompt: [{ text: 'hills at night, moon', weight: 1 }] });
    streams.push(stream);
  }
  /** @returns frames per second of every stream, while all of them run */
  const run = async (count: number): Promise<number[]> => {
    const each = Math.max(8, Math.round((4 * frames) / count));
    const times = await Promise.all(
      streams.slice(0, count).map(async (stream) => (await saturate(stream, jpegs, each, interval(count))).finishedAt),
    );
    const [from, to] = [Math.max(...times.map(([first]) => first)), Math.min(...times.map((all) => all[each]))];
    return times.map((all) => {
      const within = all.filter((at) => at >= from && at <= to);
      return ((within.length - 1) * 1000) / (within[within.length - 1] - within[0]);
    });
  };
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const rates: Record<number, number[][]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const count of [1, ...counts]) {
      const rate = await run(count);
      rates[count] ??= [];
      if (round > 0) rates[count].push(rate);
    }
  }
  await stopAllHosts();
  const one = rates[1].map(sum);
  return Object.fromEntries(
    counts.map((count) => [
      count,
      {
        speedup: figure(rates[count].map((rate, k) => sum(rate) / one[k])),
        slowestToFastest: figure(rates[count].map((rate) => Math.min(...rate) / Math.max(...rate))),
        fps: figure(rates[count].map(sum)),
      },
    ]),
  );
}
