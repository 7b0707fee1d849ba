/**
 * `node dist/test/soak/attacks.js [pictures|topics|sizes|ladder] [SECONDS]`: a Node-RED of its own is attacked through a flow beside the live
 * picture, while its pages are asked for; prints how long its answers take, how many pictures the live one has and what
 * its processes hold before, meanwhile and afterwards.
 *
 * - `pictures` that keep a decoder busy, on four topics of a filter and at a sink;
 * - `topics`: 1,500 new ones in 30 s, each with a picture, at a denoiser on the live picture's engine;
 * - `sizes`: 8192×8192 in two steps, eight at a time, in turn with 128×128, at such a denoiser;
 * - `ladder`: sizes that grow by a quarter with each change, from 128×128 to 8192×8192 and again, at such a denoiser.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { hugePng } from '../lib/huge-png';
import { Server } from '../lib/server';
import { manyScans } from '../lib/slow-pictures';
import { answered } from '../lib/until';

const [kind = 'pictures', seconds = '30'] = process.argv.slice(2);

type Flow = Record<string, unknown>[];

async function main(): Promise<void> {
  const server = await Server.start();
  try {
    await server.ready();
    await answered(() => fetch(`${server.address}/streamdiffusion/live.jpg`));
    await attackAt(server);
  } finally {
    await server.stop();
  }
}

async function attackAt(server: Server): Promise<void> {
  const flow = (await (await fetch(`${server.address}/flows`)).json()) as Flow;
  const attack = await attackOf(server, flow);
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  await ask(server, 'before', 15);
  await server.deploy([...flow, { id: 'attack', type: 'tab', label: 'attack' }, ...attack], 'nodes');
  await ask(server, 'meanwhile', Number(seconds));
  await server.deploy(flow, 'nodes');
  await new Promise((resolve) => setTimeout(resolve, 40_000));
  await ask(server, 'afterwards', 15);
}

async function attackOf(server: Server, flow: Flow): Promise<Flow> {
  if (kind === 'pictures') return slowPictures(server);
  const engine = flow.find(({ type }) => type === 'streamdiffusion-engine')?.id;
  const picture = (
    await sharp({ create: { width: 256, height: 256, channels: 3, background: '#456' } })
      .jpeg()
      .toBuffer()
  ).toString('base64');
  const func = {
    topics: 'const n = context.get("n") || 0; context.set("n", n + 1); if (n >= 1500) return null; msg.topic = "t" + n;',
    sizes:
      'const n = context.get("n") || 0; context.set("n", n + 1); msg.params = n % 2 ? { width: 128, height: 128, frameBufferSize: 1 } : { width: 8192, height: 8192, frameBufferSize: 8 }; delete msg.topic;',
    ladder:
      'const n = context.get("n") || 0; context.set("n", n + 1); const side = 8 * Math.round(16 * 1.25 ** (n % 19)); msg.params = { width: side, height: side, frameBufferSize: 1 + (n % 8) }; delete msg.topic;',
  }[kind];
  if (!func) throw new Error(`pictures, topics, sizes or ladder; not ${kind}`);
  return [
    { id: 'every', type: 'inject', z: 'attack', repeat: kind === 'topics' ? '0.02' : '0.2', once: true, props: [], wires: [['make']] },
    {
      id: 'make',
      type: 'function',
      z: 'attack',
      outputs: 1,
      func: `${func} msg.payload = "${picture}"; return msg;`,
      wires: [['attacked']],
    },
    { id: 'attacked', type: 'streamdiffusion-denoiser', z: 'attack', engine, width: '128', height: '128', steps: '2', wires: [[], []] },
  ];
}

async function slowPictures(server: Server): Promise<Flow> {
  const flat = sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#456' } });
  const files = {
    jpeg: manyScans(8000, 8000, 2000),
    allowed: manyScans(8000, 8000, 15),
    png: hugePng(8192, 8192),
    avif: await flat.clone().avif({ effort: 0, quality: 20 }).toBuffer(),
    webp: await flat.clone().webp({ effort: 0 }).toBuffer(),
  };
  for (const [name, file] of Object.entries(files)) await writeFile(join(server.folder, name), file);
  console.log(
    Object.entries(files)
      .map(([name, { length }]) => `${name} ${(length / 1000).toFixed(0)} kB`)
      .join(', '),
  );
  const senders = Object.keys(files).flatMap((name, k) => [
    {
      id: `inject${k}`,
      type: 'inject',
      z: 'attack',
      repeat: '0.5',
      once: true,
      props: [{ p: 'topic', vt: 'str' }],
      topic: `t${k % 4}`,
      wires: [[`file${k}`]],
    },
    {
      id: `file${k}`,
      type: 'file in',
      z: 'attack',
      filename: join(server.folder, name),
      filenameType: 'str',
      format: '',
      wires: [['filter', 'sink']],
    },
  ]);
  return [
    { id: 'filter', type: 'streamdiffusion-filter', z: 'attack', wires: [[], []] },
    { id: 'sink', type: 'streamdiffusion-sink', name: 'attacked', z: 'attack', wires: [[]] },
    ...senders,
  ];
}

async function ask(server: Server, when: string, howLong: number): Promise<void> {
  const times: number[] = [];
  const before = await out(server);
  const since = performance.now();
  for (const end = performance.now() + 1000 * howLong; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const began = performance.now();
    await (await fetch(`${server.address}/streamdiffusion/live`)).arrayBuffer();
    times.push(performance.now() - began);
  }
  const fps = ((await out(server)) - before) / ((performance.now() - since) / 1000);
  times.sort((a, b) => a - b);
  const held = execFileSync('ps', ['-o', 'rss=,args=', '--ppid', String(server.child.pid)], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => `${Math.round(Number(line.trim().split(' ')[0]) / 1024)} MB ${line.includes('codec') ? 'codec' : 'engine'}`);
  const own = Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(server.child.pid)], { encoding: 'utf8' })) / 1024);
  console.log(
    `${when}: answers p50 ${times[Math.floor(times.length / 2)].toFixed(0)} ms, p99 ${times[Math.floor(times.length * 0.99)].toFixed(0)} ms of ${times.length}; live ${fps.toFixed(1)} fps; Node-RED ${own} MB, ${held.join(', ')}`,
  );
}

/** Frames that the live picture has had. */
async function out(server: Server): Promise<number> {
  const health = (await (await fetch(`${server.address}/streamdiffusion/health`)).json()) as { engines: { streams: { out: number }[] }[] };
  return health.engines[0]?.streams[0]?.out ?? 0;
}

void main();
