import { acquireHost, stopAllHosts } from '../engine/host/client';
import type { HostSettings } from '../engine/host/protocol/messages';
import { encode } from '../engine/image/codec';
import { findFiles, modelFolder } from '../engine/model/files';
import { readHeaders } from '../engine/model/headers';
import { openOnServer } from '../engine/model/server-nets';
import type { Net, Tensor } from '../engine/net/net';
import { placeOf } from '../engine/net/pool/place';
import type { ServerOptions } from '../engine/types';
import type { Context } from './context';
import { figure, interleave, ratio } from './interleave';
import { fitTimes, type NetTimes, simulate } from './scale-simulation';
import { saturate } from './saturate';
import { movingScene } from './scenes';
import { settingsOf } from './whole-way';

const MODEL = 'starter';
const SIZE = 256;
const STEPS = 2;
const CONDITIONING = { prompt: [{ text: 'hills at night, moon', weight: 1 }] };

type Say = (line: string) => void;

export interface ScaleReport {
  /** fps with the UNet on the server ÷ fps with all nets here, measured in turn: tensors sent, and through shared memory. */
  networkPath: Record<'sent' | 'memory', { ratio: number; min: number; max: number; localFps: number; serverFps: number }>;
  /** Of one run with two rows, ms: the whole call, and the server's own account of it. */
  profile: Record<string, number>;
  /** Total fps of two flows at once on the server ÷ fps of one after the other. */
  twoFlows: { ratio: number; min: number; max: number };
  net: NetTimes;
  /** Runs per second of flows that only call the net: measured, and simulated from `net`. */
  check: { flows: number; measured: number; simulated: number; measuredMs: number; simulatedMs: number; rowsARun?: number }[];
}

export interface MeasureSettings {
  address: string;
  rounds: number;
  /** Number format of both sides; the server's repository must have been written in it. */
  int8: boolean;
}

type Flows = Pick<HostSettings, 'model' | 'int8' | 'server'> & { server: ServerOptions };

export async function measure({ address, rounds, int8 }: MeasureSettings, say: Say): Promise<ScaleReport> {
  const flows: Flows = { model: MODEL, int8, server: { addresses: [address] } };
  const net = await openUnet(flows.server);
  const networkPath = await overhead(flows, rounds, say);
  const profile = await profileOf(net, address, say);
  const twoFlows = await together(flows, rounds, say);
  const times = await netTimes(net, say);
  const check = await checked(net, address, times, say);
  await net.close();
  return { networkPath, profile, twoFlows, net: times, check };
}

function contextOf(): Context {
  return {
    engine: undefined as unknown as Context['engine'],
    model: MODEL,
    size: SIZE,
    rounds: 0,
    frames: 40,
    pictures: movingScene(SIZE, 40),
    note: () => undefined,
  };
}

/** Measures JPEG to JPEG with the UNet here and on the server in turn. */
async function overhead(flows: Flows, rounds: number, say: Say): Promise<ScaleReport['networkPath']> {
  const context = contextOf();
  const jpegs = await Promise.all(context.pictures.map((picture) => encode(picture, 'jpeg', 85)));
  const settings = [undefined, { ...flows.server, sharedMemory: false }, flows.server];
  const streams = settings.map((server) => acquireHost({ ...flows, server }).openStream(settingsOf(context, STEPS)));
  await Promise.all(streams.map((stream) => stream.setConditioning(CONDITIONING)));
  const run = async (k: number): Promise<number> => (await saturate(streams[k], jpegs, context.frames)).msPerFrame;
  const ms = await interleave({ local: () => run(0), sent: () => run(1), memory: () => run(2) }, rounds);
  await stopAllHosts();
  const report = (way: 'sent' | 'memory'): ScaleReport['networkPath']['sent'] => {
    const { median, min, max } = ratio(ms.local, ms[way]);
    const [localFps, serverFps] = [1000 / figure(ms.local).median, 1000 / figure(ms[way]).median];
    say(
      `${way}: ${median.toFixed(2)} of local fps (${min.toFixed(2)} to ${max.toFixed(2)}); ${localFps.toFixed(1)} fps here, ${serverFps.toFixed(1)} there`,
    );
    return { ratio: median, min, max, localFps, serverFps };
  };
  return { sent: report('sent'), memory: report('memory') };
}

/** Measures two flows, each with an engine of its own. */
async function together(flows: Flows, rounds: number, say: Say): Promise<ScaleReport['twoFlows']> {
  const context = contextOf();
  const jpegs = await Promise.all(context.pictures.map((picture) => encode(picture, 'jpeg', 85)));
  // A different deadline makes a different engine.
  const hosts = [10_000, 10_001].map((timeoutMs) => acquireHost({ ...flows, server: { ...flows.server, timeoutMs } }));
  const streams = hosts.map((host) => host.openStream(settingsOf(context, STEPS)));
  await Promise.all(streams.map((stream) => stream.setConditioning(CONDITIONING)));
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const run = (k: number): Promise<unknown> => saturate(streams[k], jpegs, 30);
  const ms = await interleave(
    {
      inTurn: () =>
        timed(async () => {
          await run(0);
          await run(1);
        }),
      atOnce: () => timed(() => Promise.all([run(0), run(1)])),
    },
    rounds,
  );
  await stopAllHosts();
  const { median, min, max } = ratio(ms.inTurn, ms.atOnce);
  say(`two flows at once: ${median.toFixed(2)} of the fps of one after the other (${min.toFixed(2)} to ${max.toFixed(2)})`);
  return { ratio: median, min, max };
}

/** How long a run takes on the server by its rows: the server's own account of its computing, else the whole call. */
async function netTimes(net: Net, say: Say): Promise<NetTimes> {
  const measured: { rows: number; ms: number }[] = [];
  for (const rows of [1, 2, 4, 8]) {
    const inputs = feeds(rows);
    await net.run(inputs);
    const times: number[] = [];
    for (let k = 0; k < 15; k++) times.push(await duration(() => net.run(inputs)));
    measured.push({ rows, ms: figure(times).median });
  }
  const times = fitTimes(measured);
  say(
    `a run of r rows: ${times.fixedMs.toFixed(1)} + r x ${times.perRowMs.toFixed(1)} ms (${measured.map(({ rows, ms }) => `${rows}: ${ms.toFixed(1)}`).join(', ')})`,
  );
  return times;
}

/** Compares flows that only call the net with the simulation. The measured times include the connection. */
async function checked(net: Net, address: string, times: NetTimes, say: Say): Promise<ScaleReport['check']> {
  const results: ScaleReport['check'] = [];
  for (const flows of [1, 2, 4, 8]) {
    const inputs = feeds(STEPS);
    const calls: number[] = [];
    const before = await statsOf(address);
    const end = performance.now() + 5000;
    await Promise.all(
      Array.from({ length: flows }, async () => {
        while (performance.now() < end) calls.push(await duration(() => net.run(inputs)));
      }),
    );
    const simulated = simulate(
      {
        flows,
        offeredFps: Infinity,
        rows: STEPS,
        net: times,
        maxBatch: 16,
        instances: placeOf(net).instances,
        roundTripMs: 0,
        beforeMs: 0,
        afterMs: 0,
      },
      5,
    );
    const result = {
      flows,
      measured: calls.length / 5,
      simulated: simulated.fps * flows,
      measuredMs: figure(calls).median,
      simulatedMs: 1000 / simulated.fps,
      rowsARun: rowsBetween(before, await statsOf(address)),
    };
    results.push(result);
    const rows = result.rowsARun ? `; ${result.rowsARun.toFixed(1)} rows a run` : '';
    say(
      `${flows} flows: ${result.measured.toFixed(1)} runs a second measured, ${result.simulated.toFixed(1)} simulated; ${result.measuredMs.toFixed(0)} and ${result.simulatedMs.toFixed(0)} ms a run${rows}`,
    );
  }
  return results;
}

interface Stats {
  inference_count: number;
  execution_count: number;
  inference_stats: Record<string, { count: number; ns: number }>;
}

/** Only Triton over HTTP gives statistics. */
async function statsOf(address: string): Promise<Stats | undefined> {
  if (!address.startsWith('http')) return undefined;
  return fetch(`${address}/v2/models/${MODEL}_unet/stats`).then(
    async (answer) => ((await answer.json()) as { model_stats: Stats[] }).model_stats[0],
    () => undefined,
  );
}

/** The mean number of rows that the server has computed together. */
function rowsBetween(before: Stats | undefined, after: Stats | undefined): number | undefined {
  return before && after && (after.inference_count - before.inference_count) / (after.execution_count - before.execution_count);
}

/** Where the time of a call goes. */
async function profileOf(net: Net, address: string, say: Say): Promise<Record<string, number>> {
  const stats = async (): Promise<Stats['inference_stats']> => (await statsOf(address))?.inference_stats ?? {};
  const inputs = feeds(STEPS);
  for (let k = 0; k < 5; k++) await net.run(inputs);
  const before = await stats();
  const calls: number[] = [];
  for (let k = 0; k < 50; k++) calls.push(await duration(() => net.run(inputs)));
  const after = await stats();
  const profile: Record<string, number> = { call: calls.reduce((sum, ms) => sum + ms, 0) / calls.length };
  for (const part of ['queue', 'compute_input', 'compute_infer', 'compute_output']) {
    // The server counts a run a little after it has answered.
    if (after[part]) profile[part] = (after[part].ns - before[part].ns) / 1e6 / Math.max(1, after[part].count - before[part].count);
  }
  if (after.success) profile.way = profile.call - (profile.queue + profile.compute_input + profile.compute_infer + profile.compute_output);
  say(
    `one run of ${STEPS} rows, ms: ${Object.entries(profile)
      .map(([part, ms]) => `${part} ${ms.toFixed(2)}`)
      .join(', ')}`,
  );
  return profile;
}

async function openUnet(server: ServerOptions): Promise<Net> {
  const files = await findFiles(modelFolder(MODEL));
  const { unet: header } = await readHeaders(files);
  return openOnServer(MODEL, 'unet', files.nets.unet!, { header: header!, applied: [] }, server);
}

/** The starter model's UNet at its own size. */
function feeds(rows: number): Record<string, Tensor> {
  const tensor = (dims: number[]): Tensor => ({
    type: 'float32',
    data: Float32Array.from({ length: dims.reduce((product, size) => product * size) }, (_, i) => Math.sin(i)),
    dims,
  });
  const timestep: Tensor = { type: 'int64', data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(700 - 50 * i)), dims: [rows] };
  return { sample: tensor([rows, 16, 16, 16]), timestep, encoder_hidden_states: tensor([rows, 24, 128]) };
}

async function duration(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
