import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ROOT } from './reference';
import { Server } from './server';
import { newestPicture } from './sink-picture';
import { PATIENCE, eventually } from './until';

const SIZE = 32;

/** A picture's pixels in small. */
export async function small(jpeg: Buffer): Promise<Buffer> {
  return sharp(jpeg).resize(SIZE, SIZE, { fit: 'fill' }).removeAlpha().raw().toBuffer();
}

/** An example as it runs for somebody. */
export class Example {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
    private readonly sink: string,
  ) {}

  static async start(file: string, sink: string, change: (flow: string) => string): Promise<Example> {
    const folder = await mkdtemp(join(tmpdir(), 'steered-'));
    await writeFile(join(folder, 'flows.json'), change(await readFile(join(ROOT, 'examples', file), 'utf8')));
    const server = await Server.start(['--example', file, '--user-dir', folder]);
    await server.ready();
    return new Example(server, folder, sink);
  }

  async picture(sink = this.sink): Promise<Buffer> {
    return small(await newestPicture(this.server, sink));
  }

  /** Waits until the picture is what is wanted. */
  async becomes(isSo: (picture: Buffer) => boolean, what: string): Promise<void> {
    await eventually(
      async () => isSo(await this.picture()),
      PATIENCE,
      () => `${what}\n${this.server.output}`,
    );
  }

  /** As the editor does when a button is pressed. */
  async press(id: string): Promise<void> {
    assert.equal((await fetch(`${this.server.address}/inject/${id}`, { method: 'POST' })).status, 200);
  }

  async end(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
