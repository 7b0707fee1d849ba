/**
 * `node dist/bench/card/index.js [--provider cuda] [--model FOLDER] [--size PIXELS] [--minutes 8] [--out FILE]`: measures a graphics
 * card. Each result is written at once as a JSON line, so that all results are kept when time runs out.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { examineCuda, isForCuda } from '../../cli/providers/check';
import { randn } from '../../engine/diffusion/noise';
import { Engine } from '../../engine/engine';
import { chooseProvider } from '../../engine/host/client';
import { tryProviders } from '../../engine/net/ort/provider-reports';
import { toImage } from '../../engine/image/pixels';
import { findFiles, modelFolder } from '../../engine/model/files';
import { Model } from '../../engine/model/model';
import type { UnetRow } from '../../engine/model/unet/row';
import { Unet } from '../../engine/model/unet/unet';
import { OnnxNet } from '../../engine/net/ort/onnx-net';
import { ceiling } from '../ceiling';
import { type Context, msPerFrame, openStream, tIndexList } from '../context';
import { movingScene } from '../scenes';
import { residualGuidance, streamBatch } from '../stream-parts';

const ROWS = [1, 2, 4];
const STEPS = [1, 2, 4];
/** Runs that count, after a first one that compiles. */
const RUNS = 10;
const TIMESTEP = 499;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      provider: { type: 'string', default: 'cuda' },
      model: { type: 'string', default: 'starter' },
      size: { type: 'string', default: '256' },
      minutes: { type: 'string', default: '8' },
      out: { type: 'string' },
    },
  });
  const { provider, model, out } = values;
  const size = Number(values.size);
  const end = performance.now() + 60_000 * Number(values.minutes);
  const write = (name: string, result: object): void => {
    const line = JSON.stringify({ name, ...result });
    console.log(line);
    if (out) appendFileSync(out, `${line}\n`);
  };
  /** Runs one measurement; one that fails, or has no time left, does not stop the next. */
  const part = async (name: string, work: () => Promise<void>): Promise<void> => {
    const began = performance.now();
    if (began > end) return write(name, { left: 'out of time' });
    try {
      await work();
      write('took', { part: name, seconds: Math.round((performance.now() - began) / 100) / 10 });
    } catch (thrown) {
      write(name, { failed: (thrown as Error).message });
    }
  };

  write('machine', {
    node: process.version,
    cpus: `${availableParallelism()} x ${cpus()[0]?.model.trim()}`,
    card: cardHere(),
    provider,
    model,
    size,
  });
  await part('providers', async () => {
    for (const { name, ...report } of await tryProviders()) write('provider', { provider: name, ...report });
    if (isForCuda()) write('cuda', await examineCuda());
  });
  await part('equal', async () => {
    const { tried } = await chooseProvider({ model, executionProviders: ['automatic'] });
    for (const { name, ...result } of tried) write('equal', { provider: name, ...result });
  });
  let netsMs = 0;
  await part('nets', async () => {
    for (const fixedShapes of [false, true]) {
      const ms = await bareNets(model, provider, size, fixedShapes, write);
      if (!fixedShapes) netsMs = ms;
    }
  });
  await part('engine', () =>
    withEngine(model, provider, size, async (context) => {
      for (const steps of STEPS) {
        const stream = await openStream(context, { tIndexList: tIndexList(steps), cfgType: 'none' });
        const ms = await msPerFrame(context, stream);
        await stream.close();
        write('engine', { steps, ms, fps: 1000 / ms, ...(steps === 1 && netsMs > 0 && { efficiency: netsMs / ms }) });
      }
    }),
  );
  await part('stream batch', () =>
    withEngine(model, provider, size, async (context) => write('stream batch', { steps: await streamBatch(context, STEPS) })),
  );
  await part('guidance', () =>
    withEngine(model, provider, size, async (context) => write('guidance', { steps: await residualGuidance(context, STEPS) })),
  );
  await part('ceiling', () => withEngine(model, provider, size, async (context) => write('ceiling', await ceiling(context))));
}

/** Runs only the nets of frames with one step, one after another. @returns ms per frame with one row */
async function bareNets(
  name: string,
  provider: string,
  size: number,
  fixedShapes: boolean,
  write: (name: string, result: object) => void,
): Promise<number> {
  const began = performance.now();
  const model = await Model.load({ model: name, executionProviders: [provider], fixedShapes });
  write('load', { provider, fixedShapes, ms: performance.now() - began });
  try {
    const { vaeScaleFactor: factor, latentChannels } = model.info;
    const side = Math.round(size / factor);
    const picture = toImage(randn([3, side * factor, side * factor], 1), side * factor, side * factor);
    const latent = randn([latentChannels, side, side], 2);
    const conditioning = await model.textEncoder.blank();
    const row: UnetRow = {
      sample: latent,
      shape: { height: side, width: side },
      timestep: TIMESTEP,
      conditioning,
    };
    const encoder = model.vaeEncoder ? await median(() => model.requireEncoder().encodePicture(picture)) : 0;
    const decoder = await median(() => model.vaeDecoder.decodePicture(latent, side, side));
    const unet = await msByRows(model.unet, row);
    write('nets', { provider, fixedShapes, encoder, decoder, unet });
    if (!fixedShapes) await asExported(name, provider, factor, row, write);
    return encoder + decoder + unet[1];
  } finally {
    await model.close();
  }
}

/** Runs the UNet's file as exported, without the engine's changes to graphs such as attention in one operator. */
async function asExported(
  name: string,
  provider: string,
  factor: number,
  row: UnetRow,
  write: (name: string, result: object) => void,
): Promise<void> {
  const file = (await findFiles(modelFolder(name))).nets.unet;
  if (!file) return;
  const net = await OnnxNet.load(file.path, { executionProvider: provider });
  try {
    write('as exported', { provider, unet: await msByRows(new Unet(net, file.config, factor), row) });
  } finally {
    await net.close();
  }
}

async function msByRows(unet: Unet, row: UnetRow): Promise<Record<number, number>> {
  const ms: Record<number, number> = {};
  for (const rows of ROWS) ms[rows] = await median(() => unet.predict(new Array<UnetRow>(rows).fill(row)));
  return ms;
}

async function withEngine(model: string, provider: string, size: number, work: (context: Context) => Promise<void>): Promise<void> {
  const engine = await Engine.load({ model, executionProviders: [provider] });
  const note = (text: string): void => void process.stderr.write(`  ${text}\n`);
  try {
    await work({ engine, model, size, rounds: 3, frames: 10, pictures: movingScene(size, 20), note });
  } finally {
    await engine.close();
  }
}

async function median(work: () => Promise<unknown>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[RUNS / 2];
}

function cardHere(): string {
  try {
    return execFileSync('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'], {
      encoding: 'utf8',
      timeout: 20_000,
    }).trim();
  } catch {
    return 'nvidia-smi says nothing';
  }
}

void main();
