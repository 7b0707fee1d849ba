/** Measures how many pictures per second of a video or network camera a source sends. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { FfmpegProducer } from '../../nodes/lib/ffmpeg/ffmpeg';
import type { FfmpegInput } from '../../nodes/lib/ffmpeg/arguments';
import { testCard } from '../../nodes/lib/source/test-card';
import { PATIENCE } from './until';

export interface NetworkCamera {
  address: string;
  /** Pictures sent so far to all viewers. */
  sent: () => number;
  close(): void;
}

/** A camera that sends MJPEG at its own steady rate. @param fps pictures per second */
export async function networkCamera(fps: number): Promise<NetworkCamera> {
  const jpegs = await Promise.all(
    Array.from({ length: 10 }, (_, k) =>
      sharp(Buffer.from(testCard(k * 100, 160, 120)))
        .jpeg()
        .toBuffer(),
    ),
  );
  let sent = 0;
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
    const began = performance.now();
    let due = 0;
    const timer = setInterval(
      () => {
        // On a busy machine several pictures may be due.
        for (; due <= ((performance.now() - began) * fps) / 1000; due++) {
          const jpeg = jpegs[due % jpegs.length];
          response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
          response.write(jpeg);
          response.write('\r\n');
          sent++;
        }
      },
      Math.min(5, 250 / fps),
    );
    response.once('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/stream`,
    sent: () => sent,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Makes a video of moving pictures. @returns its path */
export async function videoFile(folder: string, fps: number, seconds: number): Promise<string> {
  const file = join(folder, `${fps}.mp4`);
  await promisify(execFile)('ffmpeg', [
    '-y',
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    `testsrc2=size=160x120:rate=${fps}:duration=${seconds}`,
    '-pix_fmt',
    'yuv420p',
    '-preset',
    'ultrafast',
    file,
  ]);
  return file;
}

/** Pictures per second. */
export interface Rate {
  mean: number;
  /** The rate in the best third of the time, which a machine that is busy now and then does not spoil. */
  best: number;
}

/**
 * Runs a source and counts what it sends.
 * @param seconds counted from its first picture, which is not counted itself
 */
export async function rateOf(input: Partial<FfmpegInput> & Pick<FfmpegInput, 'kind' | 'input' | 'fps'>, seconds: number): Promise<Rate> {
  const arrivals: number[] = [];
  const errors: string[] = [];
  let first: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (first = resolve));
  const producer = new FfmpegProducer(
    'ffmpeg',
    { width: 64, height: 48, loop: true, start: 0, speed: 1, ...input },
    {
      frame: () => {
        arrivals.push(performance.now());
        first();
      },
      failed: (error) => errors.push(error.message),
      waiting: () => undefined,
      ended: () => undefined,
    },
  );
  const impatience = setTimeout(first, PATIENCE);
  await begun;
  clearTimeout(impatience);
  // Pictures that came in a burst while it started do not count towards its rate.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await producer.stop();
  if (arrivals.length === 0) throw new Error(`${input.input} gave no picture: ${errors.join()}`);
  const third = (1000 * seconds) / 3;
  const thirds = [0, 1, 2].map((k) => ratePerSecond(arrivals, from + k * third, from + (k + 1) * third));
  return { mean: ratePerSecond(arrivals, from, from + 3 * third), best: Math.max(...thirds) };
}

function ratePerSecond(arrivals: number[], from: number, to: number): number {
  const counted = arrivals.filter((time) => time > from && time <= to);
  if (counted.length < 2) return (1000 * counted.length) / (to - from);
  // The rate is taken between the first and the last picture; otherwise a second of 1 fps has one picture, or none.
  return (1000 * (counted.length - 1)) / (counted.at(-1)! - counted[0]);
}
