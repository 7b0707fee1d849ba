import sharp from 'sharp';
import type { Server } from './server';
import { PATIENCE } from './until';

/** The newest JPEG of a sink; waits for the first one. */
export async function newestPicture(server: Server, sink: string, withinMs = PATIENCE): Promise<Buffer> {
  for (const end = performance.now() + withinMs; ; ) {
    const response = await fetch(`${server.address}/streamdiffusion/${sink}.jpg`);
    const body = Buffer.from(await response.arrayBuffer());
    if (response.status === 200) return body;
    if (performance.now() > end)
      throw new Error(`after ${withinMs} ms there is no picture of ${sink}: ${response.status}\n${server.output}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The mean of all pixels, 0 to 255. */
export async function brightness(jpeg: Buffer): Promise<number> {
  const { channels } = await sharp(jpeg).stats();
  return channels.reduce((sum, { mean }) => sum + mean, 0) / channels.length;
}
