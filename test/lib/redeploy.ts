import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Dice } from './dice';
import { readMjpeg } from './mjpeg';
import type { Server } from './server';

type Flow = Record<string, unknown>[];

/** Resources that a process holds: resident memory in bytes, open files and sockets, child processes. */
export interface Holding {
  rss: number;
  files: number;
  children: number;
}

export function holdingOf(pid: number): Holding {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return { rss: pages * 4096, files: readdirSync(`/proc/${pid}/fd`).length, children: children.length };
}

/** The changes that an editor makes to a running flow, each with the kind of deploy that follows it. */
const CHANGES: ((flow: Flow, dice: Dice) => 'full' | 'nodes' | 'flows')[] = [
  (flow, dice) => change(flow, 'denoiser', { seed: String(dice.below(100)) }, 'nodes'),
  (flow, dice) => change(flow, 'denoiser', { steps: String(1 + dice.below(3)) }, 'flows'),
  (flow, dice) => change(flow, 'sink', { name: dice.one(['live', 'stage', 'wall']) }, 'nodes'),
  (flow) => change(flow, 'sink', { d: !nodeOf(flow, 'sink').d }, 'nodes'),
  (flow) => change(flow, 'denoiser', { d: !nodeOf(flow, 'denoiser').d }, 'flows'),
  (flow, dice) => change(flow, 'prompt', { prompt: dice.one(['night', 'sunset', 'snow']) }, 'nodes'),
  (flow, dice) => change(flow, 'source', { fps: String(10 + dice.below(20)) }, 'nodes'),
  (flow, dice) => change(flow, 'engine', { threads: String(dice.below(3)) }, 'nodes'),
  () => 'full',
];

/** Changes a running flow over and over, and finally restores it, with a viewer watching all the time. */
export async function redeploy(
  server: Server,
  times: number,
  seed: number,
  onDeploy: (count: number, holding: Holding) => void = () => undefined,
): Promise<void> {
  const original = JSON.parse(await readFile(join(server.folder, 'flows.json'), 'utf8')) as Flow;
  const dice = new Dice(seed);
  let flow = structuredClone(original);
  const watching = { over: false };
  const viewers = ['live', 'stage'].map((name) => watch(`${server.address}/streamdiffusion/${name}.mjpg`, watching));
  for (let count = 1; count <= times; count++) {
    const kind = dice.one(CHANGES)(flow, dice);
    // The flow is restored now and then, so that it is mostly one that works.
    if (count % 6 === 0) flow = structuredClone(original);
    await server.deploy(flow, kind);
    await new Promise((resolve) => setTimeout(resolve, 50 + dice.below(400)));
    onDeploy(count, holdingOf(server.child.pid as number));
  }
  await server.deploy(original, 'full');
  watching.over = true;
  await Promise.all(viewers);
}

/** Watches, and comes back after every end of the stream. */
async function watch(address: string, watching: { over: boolean }): Promise<void> {
  while (!watching.over) {
    try {
      for await (const _part of readMjpeg(address)) if (watching.over) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function nodeOf(flow: Flow, type: string): Record<string, unknown> {
  const node = flow.find((each) => each.type === `streamdiffusion-${type}`);
  if (!node) throw new Error(`the flow has no ${type}`);
  return node;
}

function change<Kind>(flow: Flow, type: string, fields: object, kind: Kind): Kind {
  Object.assign(nodeOf(flow, type), fields);
  return kind;
}
