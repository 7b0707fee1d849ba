/** The whole way of a frame, JPEG to JPEG: against a loop that only runs the nets, and in this process against the host's. */
import { acquireHost, type HostStream, stopAllHosts } from '../engine/host/client';
import { HostedStream } from '../engine/host/hosted-stream';
import type { FrameRequest, FrameResult, StreamSettings } from '../engine/host/messages';
import { encode } from '../engine/image/codec';
import { toTensor } from '../engine/image/pixels';
import { Model } from '../engine/model/model';
import { type Context, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';

const STEPS = 2;
const CONDITIONING = { prompt: [{ text: 'hills at night, moon', weight: 1 }] };

export interface WholeWay {
  /** End-to-end fps ÷ fps of a bare loop of the same nets. */
  efficiency: Figure;
  /** The same without a process border ÷ through the host process, in fps. */
  hostOverhead: Figure;
  fps: Figure;
  p50Ms: number;
  p95Ms: number;
  /** Frames that were finished between a frame's coming in and its own finish, itself included; median. */
  latencyFrames: number;
  startToFirstFrameMs: number;
}

export async function wholeWay(context: Context): Promise<WholeWay> {
  const { size, pictures, rounds } = context;
  const settings: StreamSettings = { mode: 'img2img', width: size, height: size, tIndexList: tIndexList(STEPS), cfgType: 'none' };
  const jpegs = await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85)));

  const started = performance.now();
  const inHost = acquireHost({ model: context.model }).openStream(settings);
  await inHost.setConditioning(CONDITIONING);
  await inHost.submit({ picture: { kind: 'encoded', data: jpegs[0] } });
  const startToFirstFrameMs = performance.now() - started;

  const inProcess = await HostedStream.open(context.engine, settings, () => undefined);
  await inProcess.setConditioning(CONDITIONING);
  const nets = await bareLoop(context);
  const latencies: number[] = [];
  const frames: number[] = [];
  const ms = await interleave(
    {
      host: () => saturate(context, inHost, jpegs, latencies, frames),
      bare: nets.msPerFrame,
      inProcess: () => saturate(context, inProcess, jpegs, [], []),
    },
    rounds,
  );
  await Promise.all([nets.close(), inProcess.close(), stopAllHosts()]);
  latencies.sort((a, b) => a - b);
  return {
    efficiency: ratio(ms.bare, ms.host),
    hostOverhead: ratio(ms.host, ms.inProcess),
    fps: figure(ms.host.map((value) => 1000 / value)),
    p50Ms: latencies[Math.floor(latencies.length / 2)],
    p95Ms: latencies[Math.floor(latencies.length * 0.95)],
    latencyFrames: figure(frames).median,
    startToFirstFrameMs,
  };
}

/**
 * Offers a stream more frames than it can take, each as soon as the one before has left the waiting place or been replaced.
 *
 * @returns ms per finished frame
 */
async function saturate(
  { frames }: Context,
  stream: Pick<HostStream | HostedStream, 'submit'>,
  jpegs: Buffer[],
  latencies: number[],
  finishedMeanwhile: number[],
): Promise<number> {
  let finished = 0;
  const pending = new Set<Promise<unknown>>();
  const started = performance.now();
  for (let k = 0; finished < frames; k++) {
    const [at, before] = [performance.now(), finished];
    const frame: FrameRequest = { picture: { kind: 'encoded', data: jpegs[k % jpegs.length] } };
    const settled = stream.submit(frame).then(({ outcome }: FrameResult) => {
      pending.delete(settled);
      if (outcome !== 'finished') return;
      finished++;
      latencies.push(performance.now() - at);
      finishedMeanwhile.push(finished - before);
    });
    pending.add(settled);
    // A source of 60 frames a second: the newest one is never older than 16 ms.
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
  const elapsed = performance.now() - started;
  const count = finished;
  await Promise.all(pending);
  return elapsed / count;
}

/** The same nets with the same batch, and nothing around them: no pictures, no schedule, no guidance. */
async function bareLoop({ model, size, frames, pictures }: Context): Promise<{ msPerFrame: () => Promise<number>; close: () => Promise<void> }> {
  const nets = await Model.load({ model });
  const { vaeEncoder, unet, vaeDecoder, textEncoder, info } = nets;
  if (!vaeEncoder) throw new Error(`${model} has no vae_encoder`);
  const side = size / info.vaeScaleFactor;
  const pixels = toTensor(pictures[0]);
  const conditioning = await textEncoder.encodeText(CONDITIONING.prompt[0].text);
  const msPerFrame = async () => {
    const started = performance.now();
    for (let k = 0; k < frames; k++) {
      const sample = await vaeEncoder.encode(pixels, size, size);
      const rows = Array.from({ length: STEPS }, (_, i) => ({ sample, timestep: 600 - 300 * i, conditioning }));
      const [latent] = await unet.predict(rows, side, side);
      await vaeDecoder.decode(latent, side, side);
    }
    return (performance.now() - started) / frames;
  };
  return { msPerFrame, close: () => nets.close() };
}
