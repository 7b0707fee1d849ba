/** A frame from JPEG to JPEG: compared with a loop that only runs the nets, and in this process compared with the host's. */
import { Engine } from '../engine/engine';
import { acquireHost, stopAllHosts } from '../engine/host/client';
import { StreamWorker } from '../engine/host/process/stream-worker';
import type { StreamSettings } from '../engine/host/protocol/messages';
import { encode } from '../engine/image/codec';
import { Model } from '../engine/model/model';
import { openPlanned } from '../engine/model/net-plan';
import { type Context, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';
import { saturate } from './saturate';

const CONDITIONING = { prompt: [{ text: 'hills at night, moon', weight: 1 }] };

export interface WholeWay {
  /** End-to-end fps ÷ fps of a loop that only runs the same nets, one after another on all cores. */
  efficiency: Figure;
  /** End-to-end fps ÷ fps of the same nets where and as the engine runs them, with nothing around them and never waiting. */
  shareOfNets: Figure;
  /** fps in int8 ÷ fps in float32; 1 where the model or the processor is not made for int8. */
  int8Speedup: Figure;
  /** End-to-end fps without a process border ÷ fps through the host process. */
  hostOverhead: Figure;
  fps: Figure;
  p50Ms: number;
  p95Ms: number;
  /** Frames that were finished between a frame's arrival and its own finish, itself included; median and 95th percentile. */
  latencyFrames: number;
  latencyFramesP95: number;
  /** The 95th percentile of the latency ÷ the median time between two finished frames. */
  latencyTicksP95: number;
  /** Median and 95th percentile of the times between two finished frames, ms. */
  intervalP50Ms: number;
  intervalP95Ms: number;
}

/** Time from the start of the engine's process to the first frame, ms. */
export async function startToFirstFrame(context: Context): Promise<number> {
  const jpeg = await encode(context.pictures[0], 'jpeg', 85);
  const started = performance.now();
  const stream = acquireHost({ model: context.model }).openStream(settingsOf(context, 2));
  await stream.setConditioning(CONDITIONING);
  await stream.submit({ picture: { kind: 'encoded', data: jpeg } });
  const elapsed = performance.now() - started;
  await stopAllHosts();
  return elapsed;
}

export async function wholeWay(context: Context, steps = [1, 2, 4]): Promise<Record<number, WholeWay>> {
  const { model, pictures, rounds } = context;
  const jpegs = await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85)));
  const [host, floats] = [acquireHost({ model }), acquireHost({ model, int8: false })];
  const here = await Engine.load({ model }, { openNet: openPlanned(undefined) });
  const nets = { bare: await Model.load({ model }), planned: await Model.load({ model, openNet: openPlanned(undefined) }) };
  const results: Record<number, WholeWay> = {};
  for (const count of steps) {
    const inHost = host.openStream(settingsOf(context, count));
    await inHost.setConditioning(CONDITIONING);
    const inFloats = floats.openStream(settingsOf(context, count));
    await inFloats.setConditioning(CONDITIONING);
    const inProcess = await StreamWorker.open(here, settingsOf(context, count), () => undefined);
    await inProcess.setConditioning(CONDITIONING);
    const latencies: number[] = [];
    const meanwhile: number[] = [];
    const intervals: number[] = [];
    const throughHost = async (): Promise<number> => {
      const { msPerFrame, ...frames } = await saturate(inHost, jpegs, context.frames);
      latencies.push(...frames.latencies);
      meanwhile.push(...frames.finishedMeanwhile);
      intervals.push(...frames.finishedAt.slice(1).map((at, k) => at - frames.finishedAt[k]));
      return msPerFrame;
    };
    const ms = await interleave(
      {
        host: throughHost,
        bare: await netsAlone(context, nets.bare, count, 1),
        inProcess: async () => (await saturate(inProcess, jpegs, context.frames)).msPerFrame,
        float: async () => (await saturate(inFloats, jpegs, context.frames)).msPerFrame,
        planned: await netsAlone(context, nets.planned, count, nets.planned.concurrency),
      },
      rounds,
    );
    await Promise.all([inHost.close(), inFloats.close(), inProcess.close()]);
    results[count] = {
      efficiency: ratio(ms.bare, ms.host),
      shareOfNets: ratio(ms.planned, ms.host),
      int8Speedup: ratio(ms.float, ms.host),
      hostOverhead: ratio(ms.host, ms.inProcess),
      fps: figure(ms.host.map((value) => 1000 / value)),
      p50Ms: percentile(latencies, 0.5),
      p95Ms: percentile(latencies, 0.95),
      latencyFrames: percentile(meanwhile, 0.5),
      latencyFramesP95: percentile(meanwhile, 0.95),
      latencyTicksP95: percentile(latencies, 0.95) / figure(ms.host).median,
      intervalP50Ms: percentile(intervals, 0.5),
      intervalP95Ms: percentile(intervals, 0.95),
    };
    context.note(`${count} steps: ${results[count].fps.median.toFixed(1)} fps, efficiency ${results[count].efficiency.median.toFixed(2)}`);
  }
  await Promise.all([stopAllHosts(), here.close(), nets.bare.close(), nets.planned.close()]);
  return results;
}

export function settingsOf({ size }: Context, steps: number): StreamSettings {
  return { mode: 'img2img', width: size, height: size, tIndexList: tIndexList(steps), cfgType: 'none' };
}

function percentile(values: number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(share * values.length)];
}

/** The same nets with the same batch and nothing around them: no pictures, schedule or guidance. @param loops in parallel */
async function netsAlone({ size, frames, pictures }: Context, model: Model, steps: number, loops: number): Promise<() => Promise<number>> {
  const { vaeEncoder, unet, vaeDecoder, textEncoder, info } = model;
  if (!vaeEncoder) throw new Error(`${info.model} has no vae_encoder`);
  const side = size / info.vaeScaleFactor;
  const conditioning = await textEncoder.encodeText(CONDITIONING.prompt[0].text);
  const loop = async (count: number): Promise<void> => {
    for (let k = 0; k < count; k++) {
      const sample = await vaeEncoder.encodePicture(pictures[0]);
      const rows = Array.from({ length: steps }, (_, i) => ({
        sample,
        shape: { height: side, width: side },
        timestep: 800 - 150 * i,
        conditioning,
      }));
      const [latent] = await unet.predict(rows);
      await vaeDecoder.decodePicture(latent, side, side);
    }
  };
  return async () => {
    const started = performance.now();
    await Promise.all(Array.from({ length: loops }, () => loop(frames)));
    return (performance.now() - started) / (frames * loops);
  };
}
