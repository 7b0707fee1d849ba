import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Context } from './context';

export interface EventLoopDelay {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

const ROOT = resolve(__dirname, '../..');
const PORT = 18_881;
const MEASURED_MS = 10_000;

/** How late timers are in Node-RED's process while the first example streams and its live picture is watched. */
export async function eventLoopDelay({ model, note }: Context): Promise<EventLoopDelay> {
  const userDir = mkdtempSync(join(tmpdir(), 'streamdiffusion-bench-'));
  const nodeRed = fork(join(ROOT, 'dev/start.mjs'), ['--user-dir', userDir, ...(model === 'starter' ? [] : ['--model', model])], {
    env: { ...process.env, PORT: String(PORT) },
    execArgv: ['--require', join(__dirname, 'loop-probe.js')],
    silent: true,
  });
  try {
    const pictures = await watch(nodeRed, `http://127.0.0.1:${PORT}/streamdiffusion/live.mjpg`);
    nodeRed.send('begin');
    const before = pictures.count;
    await new Promise((done) => setTimeout(done, MEASURED_MS));
    note(`${(((pictures.count - before) * 1000) / MEASURED_MS).toFixed(1)} pictures a second arrived meanwhile`);
    nodeRed.send('report');
    const [delay] = (await once(nodeRed, 'message', { signal: AbortSignal.timeout(10_000) })) as [EventLoopDelay];
    return delay;
  } finally {
    nodeRed.kill('SIGTERM');
    if (nodeRed.exitCode === null) await once(nodeRed, 'exit');
    rmSync(userDir, { recursive: true, force: true });
  }
}

/** Reads the live picture like a browser would, from the first part on. */
async function watch(nodeRed: ChildProcess, url: string): Promise<{ count: number }> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (nodeRed.exitCode !== null || Date.now() > deadline) throw new Error(`Node-RED did not show ${url} within 60 s`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok && response.body) {
      const pictures = { count: 0 };
      void count(response.body, pictures);
      while (pictures.count < 10) await new Promise((done) => setTimeout(done, 100));
      return pictures;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

async function count(body: AsyncIterable<Uint8Array>, pictures: { count: number }): Promise<void> {
  try {
    for await (const chunk of body) pictures.count += Buffer.from(chunk).toString('latin1').split('Content-Length').length - 1;
  } catch {
    return; // the stream ends with Node-RED
  }
}
