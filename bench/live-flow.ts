import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readMjpeg } from '../test/lib/mjpeg';
import type { Context } from './context';

export interface LiveFlow {
  /** Time from the start of Node-RED's process to the first picture that a viewer gets. */
  firstPictureMs: number;
  /** Distinct pictures per second that reach a viewer. */
  fps: number;
  /** The delay of timers in Node-RED's process. */
  eventLoopDelay: { p50Ms: number; p99Ms: number; maxMs: number };
  /** How long the editor's `/settings` takes to answer meanwhile. */
  settings: { p50Ms: number; p99Ms: number };
}

const ROOT = resolve(__dirname, '../..');
const PORT = 18_881;
const ADDRESS = `http://127.0.0.1:${PORT}`;
const WARM_UP_MS = 4000;
const MEASURED_MS = 15_000;
const ASK_EVERY_MS = 50;

/** Measures the first example as `npm start` runs it, with one viewer and an editor that sends requests. */
export async function liveFlow({ model }: Pick<Context, 'model'>): Promise<LiveFlow> {
  const userDir = mkdtempSync(join(tmpdir(), 'streamdiffusion-bench-'));
  const started = performance.now();
  const nodeRed = fork(join(ROOT, 'scripts/start.mjs'), ['--user-dir', userDir, ...(model === 'starter' ? [] : ['--model', model])], {
    env: { ...process.env, PORT: String(PORT) },
    execArgv: ['--require', join(__dirname, 'loop-probe.js')],
    silent: true,
  });
  try {
    await answering(nodeRed);
    const viewer = new Viewer(`${ADDRESS}/streamdiffusion/live.mjpg`);
    await viewer.first;
    const firstPictureMs = performance.now() - started;
    await pause(WARM_UP_MS);

    nodeRed.send('begin');
    viewer.begin();
    const times = await askSettings();
    const fps = (viewer.distinct * 1000) / MEASURED_MS;
    nodeRed.send('report');
    const [eventLoopDelay] = (await once(nodeRed, 'message', { signal: AbortSignal.timeout(10_000) })) as [LiveFlow['eventLoopDelay']];
    return { firstPictureMs, fps, eventLoopDelay, settings: { p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) } };
  } finally {
    nodeRed.kill('SIGTERM');
    if (nodeRed.exitCode === null) await once(nodeRed, 'exit');
    rmSync(userDir, { recursive: true, force: true });
  }
}

/** A viewer of the live picture, until the server ends. */
class Viewer {
  readonly first: Promise<void>;
  private seen = new Set<string>();

  constructor(address: string) {
    this.first = new Promise((resolve, reject) => this.watch(address, resolve).catch(reject));
  }

  get distinct(): number {
    return this.seen.size;
  }

  begin(): void {
    this.seen = new Set();
  }

  private async watch(address: string, onPicture: () => void): Promise<void> {
    for await (const { jpeg } of readMjpeg(address)) {
      this.seen.add(createHash('sha1').update(jpeg).digest('hex'));
      onPicture();
    }
  }
}

/** Asks at a steady rate, whether or not earlier answers have come. @returns how long each answer took, ms */
async function askSettings(): Promise<number[]> {
  const answers: Promise<number>[] = [];
  const ask = async () => {
    const asked = performance.now();
    await (await fetch(`${ADDRESS}/settings`)).arrayBuffer();
    return performance.now() - asked;
  };
  for (const end = performance.now() + MEASURED_MS; performance.now() < end; await pause(ASK_EVERY_MS)) answers.push(ask());
  return Promise.all(answers);
}

async function answering(nodeRed: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await pause(50)) {
    if (nodeRed.exitCode !== null || Date.now() > deadline) throw new Error('Node-RED did not show the live picture within 60 s');
    const response = await fetch(`${ADDRESS}/streamdiffusion/live`).catch(() => undefined);
    if (response?.ok) return;
  }
}

function percentile(values: number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(share * values.length)];
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
