import { acquireHost, stopAllHosts } from '../engine/host/client';
import { encode } from '../engine/image/codec';
import { tIndexList } from './context';
import { figure, interleave, ratio } from './interleave';
import { saturate } from './saturate';
import { movingScene } from './scenes';

const MODEL = 'starter';
const ALL = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'] as const;
const FRAMES = 40;

export interface MemorySettings {
  size: number;
  /** Whether all nets are on the server, or the UNet alone. */
  isAll: boolean;
  rounds: number;
}

/** Measures JPEG to JPEG with nets on a server on this machine: tensors over the connection and through shared memory, in turn. */
export async function compareMemory(address: string, { size, isAll, rounds }: MemorySettings, say: (line: string) => void): Promise<void> {
  const jpegs = await Promise.all(movingScene(size, FRAMES).map((picture) => encode(picture, 'jpeg', 85)));
  const streams = [false, true].map((sharedMemory) => {
    const host = acquireHost({
      model: MODEL,
      int8: false,
      server: { addresses: [address], sharedMemory, ...(isAll && { nets: [...ALL] }) },
    });
    return host.openStream({ mode: 'img2img', width: size, height: size, tIndexList: tIndexList(2), cfgType: 'none' });
  });
  await Promise.all(streams.map((stream) => stream.setConditioning({ prompt: [{ text: 'hills at night, moon', weight: 1 }] })));
  const latencies: number[][] = [[], []];
  const run = async (k: number): Promise<number> => {
    const { msPerFrame, latencies: own } = await saturate(streams[k], jpegs, FRAMES);
    latencies[k].push(...own);
    return msPerFrame;
  };
  const ms = await interleave({ sent: () => run(0), memory: () => run(1) }, rounds);
  await stopAllHosts();
  const { median, min, max } = ratio(ms.sent, ms.memory);
  const fps = (values: number[]): string => (1000 / figure(values).median).toFixed(1);
  const latency = latencies.map((values) => figure(values).median.toFixed(0));
  say(
    `${address.split(':')[0]}, ${isAll ? 'all nets' : 'UNet'}, ${size}x${size}: fps through memory / sent ${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)}); ` +
      `${fps(ms.sent)} fps sent, ${fps(ms.memory)} through memory; latency ${latency[0]} and ${latency[1]} ms`,
  );
}
