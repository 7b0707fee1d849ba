/**
 * Nets on an inference server: the cost of the connection, and how many streams a given number of servers can carry.
 *
 *   node dist/bench/scale.js measure --server http://127.0.0.1:8000 [--json FILE] [--int8]   against a server on this machine
 *   node dist/bench/scale.js memory --server http://127.0.0.1:8000 [--size 512] [--all]   tensors sent, and through shared memory
 *   node dist/bench/scale.js simulate [--measured FILE] [--fixed MS --per-row MS] [--round-trip MS] [--price P] …
 *
 * The server must serve the nets of the model: see "streamdiffusion models repository".
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measure } from './scale-measure';
import { compareMemory } from './scale-memory';
import { instancesFor, type Installation, type NetTimes, simulate } from './scale-simulation';

const COUNTS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000];

const OPTIONS = {
  server: { type: 'string' },
  json: { type: 'string' },
  rounds: { type: 'string', default: '7' },
  size: { type: 'string', default: '256' },
  all: { type: 'boolean', default: false },
  int8: { type: 'boolean', default: false },
  measured: { type: 'string' },
  fixed: { type: 'string', default: '6' },
  'per-row': { type: 'string', default: '9' },
  rows: { type: 'string', default: '2' },
  fps: { type: 'string', default: '25' },
  'max-batch': { type: 'string', default: '16' },
  'round-trip': { type: 'string', default: '1' },
  before: { type: 'string', default: '10' },
  after: { type: 'string', default: '10' },
  price: { type: 'string', default: '1' },
} as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (positionals[0] === 'measure' && values.server) {
    const report = await measure({ address: values.server, rounds: Number(values.rounds), int8: values.int8 }, (line) => console.log(line));
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  if (positionals[0] === 'memory' && values.server) {
    await compareMemory(values.server, { size: Number(values.size), isAll: values.all, rounds: Number(values.rounds) }, (line) =>
      console.log(line),
    );
    return;
  }
  if (positionals[0] !== 'simulate') throw new Error('say measure --server ADDRESS, memory --server ADDRESS, or simulate');
  const net = values.measured
    ? (JSON.parse(readFileSync(values.measured, 'utf8')) as { net: NetTimes }).net
    : { fixedMs: Number(values.fixed), perRowMs: Number(values['per-row']) };
  const common: Omit<Installation, 'flows' | 'instances'> = {
    offeredFps: Number(values.fps),
    rows: Number(values.rows),
    net,
    maxBatch: Number(values['max-batch']),
    roundTripMs: Number(values['round-trip']),
    beforeMs: Number(values.before),
    afterMs: Number(values.after),
  };
  console.log(
    `a run of r rows takes ${net.fixedMs.toFixed(1)} + r x ${net.perRowMs.toFixed(1)} ms; ${common.rows} rows a frame, ${common.offeredFps} frames a second a stream\n`,
  );
  console.log(
    ['streams', 'copies', 'streams a copy', 'fps', 'latency ms', 'p95 ms', 'rows a run', 'busy %', 'cost an hour', 'a stream']
      .map((each) => each.padStart(14))
      .join(''),
  );
  for (const flows of COUNTS) {
    const seconds = flows > 1000 ? 3 : 8;
    const instances = instancesFor({ ...common, flows }, 0.95, seconds);
    const { fps, latencyMs, latencyP95Ms, batch, busy } = simulate({ ...common, flows, instances }, seconds);
    const price = Number(values.price) * instances;
    const row = [
      String(flows),
      String(instances),
      (flows / instances).toFixed(1),
      fps.toFixed(1),
      latencyMs.toFixed(0),
      latencyP95Ms.toFixed(0),
      batch.toFixed(1),
      (100 * busy).toFixed(0),
      price.toFixed(2),
      (price / flows).toFixed(3),
    ];
    console.log(row.map((each) => each.padStart(14)).join(''));
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
