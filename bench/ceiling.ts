/** The cost of a frame when its nets cost nothing: the frame rate that no card, however fast, can exceed. */
import { cpus } from 'node:os';
import { Engine } from '../engine/engine';
import { acquireHost, stopAllHosts } from '../engine/host/client';
import { decode, encode } from '../engine/image/codec';
import type { CfgType, RawImage } from '../engine/types';
import { type Context, tIndexList } from './context';
import { figure, type Figure, interleave, ratio } from './interleave';
import { saturate } from './saturate';
import { noisyScene, scene } from './scenes';
import { makeWeightlessModel, type NetType, removeModel } from './weightless-model';

export interface Ceiling {
  /** Frames per second in this process, image to image. */
  fps: Figure;
  ms: Figure;
  /** ms per frame ÷ ms of two table look-ups of a picture's bytes, to float16 planes and back, in the same rounds. */
  toTablePasses: Figure;
  /** Frames per second through the host, JPEG to JPEG. */
  hostFps: Figure;
  /** hostFps ÷ fps of only decoding and encoding the same pictures, as many at once as there are cores. */
  hostToCodec: Figure;
}

export interface Ceilings {
  tablePassesMs: number;
  codecFps: number;
  /** Ceilings by type of the nets, number of steps, and guidance, as in "float16, 4 steps, self". */
  cases: Record<string, Ceiling>;
}

const SIZE = 512;
/** How many times more frames are run than elsewhere, since they are quick. */
const MORE_FRAMES = 4;
const PROMPT = { prompt: [{ text: 'hills', weight: 1 }] };
const TYPES: NetType[] = ['float32', 'float16'];
const STEPS: [steps: number, cfgType: CfgType][] = [
  [1, 'none'],
  [1, 'self'],
  [4, 'none'],
  [4, 'self'],
];

export async function ceiling(context: Context): Promise<Ceilings> {
  const frames = context.frames * MORE_FRAMES;
  const pictures = noisyScene(scene(SIZE, 0), 8);
  const jpegs = await Promise.all(pictures.map((picture) => encode(picture, 'jpeg', 85)));
  const cases: Ceilings['cases'] = {};
  const [allTables, allCodec]: number[][] = [[], []];
  for (const type of TYPES) {
    const folder = makeWeightlessModel(type, pictures[0]);
    try {
      const engine = await Engine.load({ model: folder });
      const host = acquireHost({ model: folder });
      for (const [steps, cfgType] of STEPS) {
        const options = { mode: 'img2img', width: SIZE, height: SIZE, tIndexList: tIndexList(steps), cfgType } as const;
        const stream = await engine.createStream({ ...options, guidanceScale: 1.4 });
        await stream.setPrompt(PROMPT);
        const hosted = host.openStream({ ...options, guidanceScale: 1.4 });
        await hosted.setConditioning(PROMPT);
        const ms = await interleave(
          {
            inProcess: () => msEach(frames, async (k) => void (await stream.process({ image: pictures[k % pictures.length] }))),
            tables: () => msEach(frames, async (k) => void tablePasses(pictures[k % pictures.length])),
            host: async () => (await saturate(hosted, jpegs, frames, 1)).msPerFrame,
            codec: () => codecAlone(jpegs, pictures[0], frames),
          },
          context.rounds,
        );
        await Promise.all([stream.close(), hosted.close()]);
        const name = `${type}, ${steps} step${steps === 1 ? '' : 's'}, ${cfgType}`;
        cases[name] = {
          fps: figure(ms.inProcess.map((value) => 1000 / value)),
          ms: figure(ms.inProcess),
          toTablePasses: ratio(ms.inProcess, ms.tables),
          hostFps: figure(ms.host.map((value) => 1000 / value)),
          hostToCodec: ratio(ms.codec, ms.host),
        };
        allTables.push(...ms.tables);
        allCodec.push(...ms.codec.map((value) => 1000 / value));
        const { fps, toTablePasses, hostFps, hostToCodec } = cases[name];
        context.note(
          `${name}: ${fps.median.toFixed(0)} fps, ${toTablePasses.median.toFixed(2)} table passes; host ${hostFps.median.toFixed(0)} fps, ${hostToCodec.median.toFixed(2)} of the codec alone`,
        );
      }
      await Promise.all([engine.close(), stopAllHosts()]);
    } finally {
      removeModel(folder);
    }
  }
  return { tablePassesMs: figure(allTables).median, codecFps: figure(allCodec).median, cases };
}

async function msEach(frames: number, one: (k: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  for (let k = 0; k < frames; k++) await one(k);
  return (performance.now() - started) / frames;
}

/** The upper limit of the picture codec alone, with as many frames under way as cores. */
async function codecAlone(jpegs: Buffer[], picture: RawImage, frames: number): Promise<number> {
  const started = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < frames) {
      await decode({ kind: 'encoded', data: jpegs[next++ % jpegs.length] }, SIZE, SIZE);
      await encode(picture, 'jpeg', 85);
    }
  };
  await Promise.all(cpus().map(work));
  return (performance.now() - started) / frames;
}

// The values do not matter, since any table costs the same.
const TO_HALF = Uint16Array.from({ length: 256 }, (_, byte) => byte << 6);
const TO_BYTE = Uint8Array.from({ length: 65536 }, (_, half) => half >> 6);

/** Bytes to float16 planes and back, in memory of their own. */
function tablePasses({ data, width, height }: RawImage): Uint8Array {
  const plane = width * height;
  const halves = new Uint16Array(3 * plane);
  for (let pixel = 0, byte = 0; pixel < plane; pixel++) {
    halves[pixel] = TO_HALF[data[byte++]];
    halves[plane + pixel] = TO_HALF[data[byte++]];
    halves[2 * plane + pixel] = TO_HALF[data[byte++]];
  }
  const bytes = new Uint8Array(3 * plane);
  for (let pixel = 0, byte = 0; pixel < plane; pixel++) {
    bytes[byte++] = TO_BYTE[halves[pixel]];
    bytes[byte++] = TO_BYTE[halves[plane + pixel]];
    bytes[byte++] = TO_BYTE[halves[2 * plane + pixel]];
  }
  return bytes;
}
