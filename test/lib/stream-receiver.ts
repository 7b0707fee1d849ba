import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './server';

/** ffmpeg as the server that receives a stream: it takes one, and ends with it. */
export class StreamReceiver {
  /** The average colours of the pictures in order: red, green, blue. */
  private readonly colours: Buffer[] = [];
  said = '';
  private readonly gone: Promise<unknown>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stdout?.on('data', (chunk: Buffer) => this.colours.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    this.gone = new Promise((resolve) => child.once('exit', resolve));
  }

  /** @param input ffmpeg's arguments for the address at which it listens */
  static async start(...input: string[]): Promise<StreamReceiver> {
    const folder = await mkdtemp(join(tmpdir(), 'received-'));
    const pictures = ['-map', '0:v', '-vsync', 'passthrough', '-vf', 'scale=1:1', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'];
    const times = ['-map', '0:v', '-c', 'copy', '-flush_packets', '1', '-f', 'framecrc', join(folder, 'times')];
    const args = ['-hide_banner', '-loglevel', 'error', '-fflags', 'nobuffer', ...input, ...pictures, ...times];
    return new StreamReceiver(spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'pipe'] }), folder);
  }

  /** Finds a TCP port on which nothing listens. */
  static freePort = freePort;

  /** The number of pictures received. */
  get count(): number {
    return Math.floor(this.bytes.length / 3);
  }

  /** The newest picture's colour. */
  get last(): [number, number, number] | undefined {
    const { bytes, count } = this;
    return count === 0 ? undefined : [bytes[3 * count - 3], bytes[3 * count - 2], bytes[3 * count - 1]];
  }

  /** Times from each picture to the next, seconds. */
  get steps(): number[] {
    const text = readFileSync(join(this.folder, 'times'), 'utf8');
    const [, numerator, denominator] = /#tb 0: (\d+)\/(\d+)/.exec(text) ?? [];
    const times = [...text.matchAll(/^0, +-?\d+, +(-?\d+),/gm)].map(([, time]) => (Number(time) * Number(numerator)) / Number(denominator));
    return times.slice(1).map((time, k) => time - times[k]);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
    await rm(this.folder, { recursive: true });
  }

  private get bytes(): Buffer {
    return Buffer.concat(this.colours);
  }
}
