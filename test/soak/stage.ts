/**
 * `node dist/test/soak/stage.js [MINUTES]`: the performance page's example with 50 viewers and 20 players who never rest; what Node-RED's process
 * and the engine hold meanwhile, and how late Node-RED's event loop is.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { readMjpeg } from '../lib/mjpeg';
import { holdingOf } from '../lib/redeploy';
import { ROOT } from '../lib/reference';
import { freePort } from '../lib/server';

const VIEWERS = { page: 25, socket: 15, mjpeg: 10 };
const PLAYERS = 20;
/** Of each player a second: as somebody does who turns a knob all the time. */
const ORDERS = 4;
const SETTLED_MS = 120_000;

interface Delay {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

async function main(): Promise<void> {
  const minutes = Number(process.argv[2] ?? 10);
  const folder = await mkdtemp(join(tmpdir(), 'stage-'));
  const port = await freePort();
  const probe = join(ROOT, 'dist/bench/loop-probe.js');
  const child = fork(join(ROOT, 'scripts/start.mjs'), ['--example', '17', '--user-dir', folder], {
    execArgv: ['--require', probe],
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const address = `http://127.0.0.1:${port}`;
  const live = `${address}/streamdiffusion/stage`;
  await paints(`${live}.jpg`);

  const counts = { pictures: 0, orders: 0, obeyed: 0, lost: 0 };
  for (let k = 0; k < VIEWERS.page; k++) watch(`${live}?details`, counts);
  for (let k = 0; k < VIEWERS.socket; k++) watch(live, counts);
  for (let k = 0; k < VIEWERS.mjpeg; k++) void watchStream(`${live}.mjpg`, counts);
  for (let k = 0; k < PLAYERS; k++) await play(address, k, counts);

  const delays: Delay[] = [];
  const seen: { at: number; rss: number; engine: number; files: number }[] = [];
  const began = performance.now();
  for (let minute = 0; minute < minutes; minute++) {
    const before = { ...counts };
    child.send('begin');
    for (let k = 0; k < 12; k++) {
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const { rss, files } = holdingOf(child.pid as number);
      seen.push({
        at: performance.now() - began,
        rss,
        files,
        engine: Math.max(0, ...childrenOf(child.pid as number).map((pid) => holdingOf(pid).rss)),
      });
    }
    const delay = await report(child);
    delays.push(delay);
    const { rss, engine, files } = seen.at(-1)!;
    const each = (counts.pictures - before.pictures) / 60 / 50;
    console.log(
      `minute ${minute + 1}: Node-RED ${mb(rss)} MB, engine ${mb(engine)} MB, ${files} files; event loop p50 ${delay.p50Ms.toFixed(1)}, p99 ${delay.p99Ms.toFixed(1)}, at most ${delay.maxMs.toFixed(0)} ms; ${each.toFixed(1)} pictures a second for each viewer, ${((counts.orders - before.orders) / 60).toFixed(0)} orders a second`,
    );
  }
  const settled = seen.filter(({ at }) => at > Math.min(SETTLED_MS, minutes * 20_000));
  const third = Math.ceil(settled.length / 3);
  for (const key of ['rss', 'engine', 'files'] as const) {
    const of = (part: typeof settled): number => median(part.map((each) => each[key]));
    const [first, last] = [of(settled.slice(0, third)), of(settled.slice(-third))];
    console.log(
      `${key}: median ${first} of the first third once settled, ${last} of the last (${((100 * last) / first - 100).toFixed(1)} %)`,
    );
  }
  const p99 = delays.map((each) => each.p99Ms);
  console.log(`event loop p99: median of the minutes ${median(p99).toFixed(1)} ms, worst minute ${Math.max(...p99).toFixed(1)} ms`);
  console.log(`${counts.orders} orders, ${counts.obeyed} obeyed, ${counts.lost} connections lost`);
  child.kill('SIGTERM');
  await once(child, 'exit');
  await rm(folder, { recursive: true, force: true });
  process.exit();
}

type Counts = { pictures: number; orders: number; obeyed: number; lost: number };

/** As the live page: an answer for each picture where that is asked for. */
function watch(address: string, counts: Counts): void {
  const socket = new WebSocket(address.replace('http', 'ws'));
  socket.on('message', (_, isBinary) => {
    if (!isBinary) return;
    counts.pictures++;
    if (address.endsWith('details')) socket.send('');
  });
  socket.on('close', () => counts.lost++);
  socket.on('error', () => undefined);
}

async function watchStream(address: string, counts: Counts): Promise<void> {
  for await (const _ of readMjpeg(address)) counts.pictures++;
  counts.lost++;
}

/** Turns a knob up and down, wishes for another prompt now and then, and saves a scene. */
async function play(address: string, number: number, counts: Counts): Promise<void> {
  const { ticket } = (await (await fetch(`${address}/streamdiffusion/tickets/stage`, { method: 'POST' })).json()) as { ticket: string };
  const socket = new WebSocket(`${address.replace('http', 'ws')}/streamdiffusion/stage/play?ticket=${encodeURIComponent(ticket)}`);
  await once(socket, 'open');
  socket.on('message', (data: Buffer) => {
    if ('n' in (JSON.parse(data.toString()) as object)) counts.obeyed++;
  });
  socket.on('close', () => counts.lost++);
  let turn = number;
  setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    turn++;
    const strength = 0.5 + 0.3 * Math.sin(turn / 7 + number);
    const prompts = ['sunset over the sea', 'night, aurora, snow', 'castle on a hill', 'autumn forest'];
    const order: object =
      turn % 400 === 0
        ? { save: number % 8 }
        : turn % 150 === 0
          ? { set: { prompt: prompts[turn % 4] } }
          : { set: { params: { strength } } };
    socket.send(JSON.stringify({ n: turn, ...order }));
    counts.orders++;
  }, 1000 / ORDERS);
}

async function report(child: ChildProcess): Promise<Delay> {
  const answer = once(child, 'message');
  child.send('report');
  return ((await answer) as [Delay])[0];
}

async function paints(address: string): Promise<void> {
  for (let status = 0; status !== 200; await new Promise((resolve) => setTimeout(resolve, 250))) {
    status = await fetch(address).then(
      (response) => response.status,
      () => 0,
    );
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mb = (bytes: number): number => Math.round(bytes / 1e6);

void main();
