/** The cost of sources that are slower than the engine, equally fast, or faster. */
import { readFileSync } from 'node:fs';
import { acquireHost, stopAllHosts } from '../engine/host/client';
import { encode } from '../engine/image/codec';
import { type Context, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';
import { saturate } from './saturate';

export interface PacingFigures {
  /** CPU time of the engine and of the senders of frames, ms per finished frame, from a source at the engine's speed. */
  cpuMsPerFrame: Figure;
  /** The same from a source four times as fast ÷ from one at the engine's speed. */
  fourTimesAsFast: Figure;
  /** Median and 95th percentile of the times between two finished frames ÷ those between two frames of a source at half the engine's speed. */
  evenness: { p50: number; p95: number };
  /** Resident memory of the engine's process, MB. */
  memoryMb: number;
}

/** Ticks per second of the kernel's clock for CPU time. */
const CLOCK_TICKS = 100;

/** Measures with two steps. Undefined on systems that do not report the CPU time of a process. */
export async function pacing({ model, size, rounds, frames, pictures }: Context): Promise<PacingFigures | undefined> {
  if (process.platform !== 'linux') return undefined;
  const jpegs = await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85)));
  const host = acquireHost({ model });
  const stream = host.openStream({ mode: 'img2img', width: size, height: size, tIndexList: tIndexList(2), cfgType: 'none' });
  await stream.setConditioning({ prompt: [{ text: 'hills at night, moon', weight: 1 }] });
  const count = 3 * frames;
  const { msPerFrame } = await saturate(stream, jpegs, count);
  const pid = host.pid ?? process.pid;
  const cpuMs = (interval: number) => async (): Promise<number> => {
    const before = cpuTime(pid);
    const { finishedAt } = await saturate(stream, jpegs, count, interval);
    return (cpuTime(pid) - before) / finishedAt.length;
  };
  const ms = await interleave({ asFast: cpuMs(msPerFrame), faster: cpuMs(msPerFrame / 4) }, rounds);
  const { finishedAt } = await saturate(stream, jpegs, count, 2 * msPerFrame);
  const memoryMb = host.report.memoryBytes / 1e6;
  await stopAllHosts();
  const between = finishedAt
    .slice(1)
    .map((at, k) => at - finishedAt[k])
    .sort((a, b) => a - b);
  // Timers can be whole milliseconds late, so the source's own pace is the mean.
  const pace = (finishedAt[finishedAt.length - 1] - finishedAt[0]) / between.length;
  const percentile = (share: number): number => between[Math.floor(share * between.length)] / pace;
  return {
    cpuMsPerFrame: figure(ms.asFast),
    fourTimesAsFast: ratio(ms.faster, ms.asFast),
    evenness: { p50: percentile(0.5), p95: percentile(0.95) },
    memoryMb,
  };
}

/** CPU time of this process and of the engine's, ms. Fields 14 and 15 of /proc/PID/stat are user and system time. */
function cpuTime(pid: number): number {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return (user + system) / 1000 + ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS;
}
