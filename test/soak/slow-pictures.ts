/**
 * `node dist/test/soak/slow-pictures.js [SECONDS]`: a Node-RED of its own gets pictures that are made to keep a decoder
 * busy, on four topics of a filter and at a sink, while its pages are asked for; prints how long its answers take and
 * what its processes hold before, meanwhile and afterwards.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { hugePng } from '../lib/huge-png';
import { Server } from '../lib/server';
import { manyScans } from '../lib/slow-pictures';

const [seconds = '30'] = process.argv.slice(2);

async function main(): Promise<void> {
  const server = await Server.start();
  await server.ready();
  const flat = sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#456' } });
  const files = {
    jpeg: manyScans(8000, 8000, 2000),
    allowed: manyScans(8000, 8000, 15),
    png: hugePng(8192, 8192),
    avif: await flat.clone().avif({ effort: 0, quality: 20 }).toBuffer(),
    webp: await flat.clone().webp({ effort: 0 }).toBuffer(),
  };
  for (const [name, file] of Object.entries(files)) await writeFile(join(server.folder, name), file);
  console.log(Object.entries(files).map(([name, { length }]) => `${name} ${(length / 1000).toFixed(0)} kB`).join(', '));
  const flow = (await (await fetch(`${server.address}/flows`)).json()) as object[];
  const attack = Object.keys(files).flatMap((name, k) => [
    { id: `inject${k}`, type: 'inject', z: 'attack', repeat: '0.5', once: true, props: [{ p: 'topic', vt: 'str' }], topic: `t${k % 4}`, wires: [[`file${k}`]] },
    { id: `file${k}`, type: 'file in', z: 'attack', filename: join(server.folder, name), filenameType: 'str', format: '', wires: [['filter', 'sink']] },
  ]);
  const nodes = [{ id: 'attack', type: 'tab', label: 'attack' }, { id: 'filter', type: 'streamdiffusion-filter', z: 'attack', wires: [[], []] }, { id: 'sink', type: 'streamdiffusion-sink', name: 'attacked', z: 'attack', wires: [[]] }];
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  await ask(server, 'before', 15);
  await deploy(server, [...flow, ...nodes, ...attack]);
  await ask(server, 'meanwhile', Number(seconds));
  await deploy(server, flow);
  await new Promise((resolve) => setTimeout(resolve, 40_000));
  await ask(server, 'afterwards', 15);
  await server.stop();
}

async function deploy(server: Server, flow: object[]): Promise<void> {
  await fetch(`${server.address}/flows`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Node-RED-Deployment-Type': 'nodes' }, body: JSON.stringify(flow) });
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
  const held = execFileSync('ps', ['-o', 'rss=,args=', '--ppid', String(server.child.pid)], { encoding: 'utf8' }).trim().split('\n').map((line) => `${Math.round(Number(line.trim().split(' ')[0]) / 1024)} MB ${line.includes('codec') ? 'codec' : 'engine'}`);
  const own = Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(server.child.pid)], { encoding: 'utf8' })) / 1024);
  console.log(`${when}: answers p50 ${times[Math.floor(times.length / 2)].toFixed(0)} ms, p99 ${times[Math.floor(times.length * 0.99)].toFixed(0)} ms of ${times.length}; live ${fps.toFixed(1)} fps; Node-RED ${own} MB, ${held.join(', ')}`);
}

/** Frames that the live picture has had. */
async function out(server: Server): Promise<number> {
  const health = (await (await fetch(`${server.address}/streamdiffusion/health`)).json()) as { engines: { streams: { out: number }[] }[] };
  return health.engines[0]?.streams[0]?.out ?? 0;
}

void main();
