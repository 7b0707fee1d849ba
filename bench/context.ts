import type { Engine, RawImage, StreamOptions } from '../engine';
import type { DiffusionStream } from '../engine/stream/diffusion-stream';

/** Parameters that all parts of the benchmark share. */
export interface Context {
  engine: Engine;
  model: string;
  size: number;
  /** Counted rounds of every comparison. */
  rounds: number;
  /** Frames that a variant denoises per round. */
  frames: number;
  /** A moving scene that can be looped. */
  pictures: RawImage[];
  /** One line of progress, for people. */
  note(text: string): void;
}

/** `count` step indices, spread evenly over the schedule from 30 % on: an image-to-image setting. */
export function tIndexList(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 15 + Math.round((i * 30) / count));
}

/** Opens a stream of the benchmark: image to image, two steps, no guidance, unless `options` say otherwise. */
export async function openStream({ engine, size }: Context, options: Partial<StreamOptions> = {}): Promise<DiffusionStream> {
  const stream = await engine.createStream({
    mode: 'img2img',
    width: size,
    height: size,
    tIndexList: tIndexList(2),
    cfgType: 'none',
    ...options,
  });
  await stream.setPrompt({ prompt: 'hills at night, moon' });
  return stream;
}

/** Runs frames through a stream and flushes it. @returns ms per frame */
export async function msPerFrame({ frames, pictures }: Context, stream: DiffusionStream): Promise<number> {
  const started = performance.now();
  for (let k = 0; k < frames; k++) await stream.process({ image: pictures[k % pictures.length] });
  await stream.flush();
  return (performance.now() - started) / frames;
}
