/** `node dist/test/soak/load.js [MINUTES]`: 4K frames at ten times the engine's speed; memory, latency, and which frame is shown. */
import { readFileSync } from 'node:fs';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import type { EngineNode } from '../../nodes/lib/engine/node';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import sink from '../../nodes/sink';
import { helper, startFlow, until } from '../lib/flow';
import { forgetCalls } from '../lib/fuzz';

const [WIDTH, HEIGHT] = [3840, 2160];

async function main(): Promise<void> {
  const minutes = Number(process.argv[2] ?? 15);
  const frames = await Promise.all(Array.from({ length: 6 }, (_, k) => largeJpeg(k)));
  await startFlow(
    [engine, denoiser, sink],
    [
      { id: 'engine', type: 'streamdiffusion-engine' },
      { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '256', height: '256', wires: [['sink']] },
      { id: 'sink', type: 'streamdiffusion-sink', name: 'load', wires: [['out']] },
      { id: 'out', type: 'helper' },
    ],
  );
  const user = { onState: () => undefined };
  const host = (helper.getNode('engine') as EngineNode).register(user);

  let given = 0;
  let newest = -1;
  let disorder = 0;
  let painted = 0;
  let latencies: number[] = [];
  let ages: number[] = [];
  helper.getNode('out').on('input', (msg: NodeMessage) => {
    const { id, latencyMs } = msg.frame as FrameInfo;
    if ((id as number) <= newest) disorder++;
    newest = id as number;
    ages.push(given - newest);
    latencies.push(latencyMs);
    painted++;
  });
  const give = (): void =>
    helper.getNode('denoiser').receive({ payload: frames[given % frames.length], frame: { id: given++ } } as NodeMessage);
  give();
  await until(() => painted > 0, 60_000);

  // The engine's own speed first: one frame after the other.
  const alone = await rate(
    () => painted,
    async (seconds) => {
      const end = performance.now() + 1000 * seconds;
      while (performance.now() < end) {
        const before = painted;
        give();
        await until(() => painted > before, 30_000);
      }
    },
  );
  console.log(
    `alone ${alone.toFixed(1)} fps; the source gives ${(10 * alone).toFixed(0)} a second, ${Math.round(frames[0].length / 1e6)} MB each`,
  );
  // Timers of a busy process come late: what is due by then is given at once.
  const began = performance.now();
  const before = given;
  const timer = setInterval(() => {
    const due = before + ((performance.now() - began) * alone) / 100;
    while (given < due) give();
  }, 5);

  const minute: { own: number; engine: number }[] = [];
  for (let k = 0; k < minutes * 4; k++) {
    latencies = [];
    ages = [];
    const before = { painted, given, cpu: cpuSeconds(process.pid), engineCpu: cpuSeconds(host.pid ?? 0) };
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    forgetCalls(['denoiser', 'sink', 'out']);
    const engineRss = Number(readFileSync(`/proc/${host.pid}/statm`, 'utf8').split(' ')[1]) * 4096;
    minute.push({ own: process.memoryUsage.rss(), engine: engineRss });
    const at = (list: number[], share: number): number => Math.round(list.sort((a, b) => a - b)[Math.floor(list.length * share)]);
    console.log(
      `${((k + 1) / 4).toFixed(2)} min: ${((painted - before.painted) / 15).toFixed(1)} of ${((given - before.given) / 15).toFixed(0)} fps, latency p50 ${at(latencies, 0.5)} p95 ${at(latencies, 0.95)} ms, ` +
        `newer frames given meanwhile p50 ${at(ages, 0.5)} p95 ${at(ages, 0.95)}, RSS ${Math.round(process.memoryUsage.rss() / 1e6)} + ${Math.round(engineRss / 1e6)} MB, ` +
        `cores ${((cpuSeconds(process.pid) - before.cpu) / 15).toFixed(2)} + ${((cpuSeconds(host.pid ?? 0) - before.engineCpu) / 15).toFixed(2)}`,
    );
  }
  clearInterval(timer);
  await until(
    () => newest === given - 1,
    30_000,
    () => `newest shown ${newest} of ${given}`,
  );
  console.log(`the last frame is shown; ${disorder} out of order`);
  await helper.unload();
  await stopAllHosts();
  process.exit(disorder > 0 ? 1 : 0);
}

/** Of a process until now, in and outside of the kernel. */
function cpuSeconds(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

async function rate(count: () => number, work: (seconds: number) => Promise<void>): Promise<number> {
  const [before, started] = [count(), performance.now()];
  await work(8);
  return ((count() - before) * 1000) / (performance.now() - started);
}

/** About 2 MB: coarse noise, as a camera's picture of leaves. */
function largeJpeg(seed: number): Promise<Buffer> {
  const [width, height] = [WIDTH / 4, HEIGHT / 4];
  const noise = Buffer.from(Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i + 1, 2654435761 + 97 * seed) >>> 24));
  return sharp(noise, { raw: { width, height, channels: 3 } })
    .resize(WIDTH, HEIGHT)
    .jpeg({ quality: 90 })
    .toBuffer();
}

void main();
