import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { ArrivalPace } from '../../nodes/lib/common/arrival-pace';
import { timedPicture, timedPicturesHead } from '../../nodes/lib/sink/timed-pictures';
import { needFfmpeg, play } from '../lib/ffmpeg';
import { networkCamera, type Rate, rateOf, videoFile } from '../lib/rates';
import { PATIENCE, until } from '../lib/until';

const run = promisify(execFile);
/** Long enough for some pictures at 5 a second in each third. */
const SECONDS = 4.5;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the pace of a live source', () => {
  /** Pictures let through ÷ min(rate, camera), over a minute; each picture may come that share of its interval early or late. */
  function ratio(camera: number, rate: number, jitter: number): number {
    const pace = new ArrivalPace(rate);
    let state = 7;
    let passed = 0;
    let last = 0;
    for (let k = 0; k < 60 * camera; k++) {
      state = (state * 16_807) % 2_147_483_647;
      last = Math.max(last, ((k + jitter * (state / 2_147_483_647 - 0.5)) * 1000) / camera);
      if (pace.takes(last)) passed++;
    }
    return passed / (60 * Math.min(camera, rate));
  }

  it('is the smaller of the rate and the camera’s own, however the two compare and however unevenly pictures come', () => {
    for (const camera of [1, 5, 5.5, 10, 15, 24.9, 25, 25.1, 29.97, 30, 50, 60]) {
      for (const rate of [1, 5, 15, 25, 30, 60]) {
        for (const jitter of [0, 0.3, 0.9]) {
          const share = ratio(camera, rate, jitter);
          assert.ok(share > 0.95 && share < 1.05, `${camera} a second at ${rate}, jitter ${jitter}: ${share}`);
        }
      }
    }
  });

  it('never makes up for a long pause', () => {
    const pace = new ArrivalPace(10);
    assert.ok(pace.takes(0));
    const passed = Array.from({ length: 20 }, (_, k) => pace.takes(60_000 + k)).filter(Boolean).length;
    assert.ok(passed <= 3, `${passed} at once`);
  });
});

describe('a source with ffmpeg', () => {
  let folder: string;

  before(needFfmpeg);
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'rate-'))));
  afterEach(() => rm(folder, { recursive: true }));

  /**
   * Never more, and as many while the machine has time for it: never only every second one. What waited while the machine stood
   * still counts when it comes.
   */
  function near({ mean, best }: Rate, wanted: number, what: string): void {
    const isNear = mean < 1.25 * wanted && best > 0.8 * wanted && mean > 0.4 * wanted;
    assert.ok(isNear, `${what}: ${mean.toFixed(2)} a second, at best ${best.toFixed(2)}, instead of ${wanted}`);
  }

  it('sends a network camera’s pictures at the smaller of both rates', async () => {
    await Promise.all(
      [
        [5, 5],
        [15, 15],
        [5, 25],
        [60, 25],
        [30, 5],
      ].map(async ([fps, rate]) => {
        const camera = await networkCamera(fps);
        try {
          near(
            await rateOf({ kind: 'camera', input: camera.address, fps: rate }, SECONDS),
            Math.min(fps, rate),
            `a camera of ${fps} at ${rate}`,
          );
        } finally {
          camera.close();
        }
      }),
    );
  });

  it('sends each picture of a video once, at its own speed, at the smaller of both rates', async () => {
    const slow = await videoFile(folder, 5, 4);
    await Promise.all(
      [
        { video: slow, fps: 5, rate: 25 },
        { video: slow, fps: 5, rate: 25, speed: 2 },
        { video: await videoFile(folder, 60, 4), fps: 60, rate: 25 },
        { video: await videoFile(folder, 30, 4), fps: 30, rate: 5 },
      ].map(async ({ video, fps, rate, speed = 1 }) => {
        const sent = await rateOf({ kind: 'video', input: video, fps: rate, speed }, SECONDS);
        near(sent, Math.min(fps * speed, rate), `a video of ${fps} at ${rate}, ${speed} times as fast`);
      }),
    );
  });

  it('goes on when the clock of a live stream jumps an hour forward or back', async () => {
    await Promise.all([goesOnAfter('forward', 3_600_000), goesOnAfter('back', -3_600_000)]);
  });

  async function goesOnAfter(what: string, jump: number): Promise<void> {
    const jpegs = await Promise.all(
      ['#f00', '#0f0'].map((background) =>
        sharp({ create: { width: 64, height: 48, channels: 3, background } })
          .jpeg()
          .toBuffer(),
      ),
    );
    let sent = 0;
    let offset = 0;
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'video/x-matroska' });
      response.write(timedPicturesHead(64, 48));
      const timer = setInterval(() => {
        response.write(timedPicture(jpegs[sent % 2], 4_000_000 + sent * 50 + offset));
        sent++;
      }, 50);
      response.once('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { producer, pictures, errors } = play({ kind: 'camera', input: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
    try {
      await until(() => pictures.length > 5);
      offset = jump;
      const [before, sentBefore] = [pictures.length, sent];
      const counts = (): [came: number, went: number] => [pictures.length - before, sent - sentBefore];
      await until(
        () => counts()[1] > 40 && counts()[0] > 0.7 * counts()[1],
        PATIENCE,
        () => `${counts().join(' of ')} pictures came after the jump ${what}; ${errors.join()}`,
      );
      const [came, went] = counts();
      assert.ok(came < went + 10, `${came} of ${went} pictures after the jump ${what}`);
      assert.equal(new Set(pictures.slice(-4).map((jpeg) => jpeg.toString('base64'))).size, 2, `they move after the jump ${what}`);
    } finally {
      await producer.stop();
      server.closeAllConnections();
      server.close();
    }
  }

  it('gives pictures of odd sizes as the frame says', async () => {
    const video = await videoFile(folder, 10, 2);
    for (const [width, height] of [
      [63, 47],
      [101, 48],
      [16, 333],
    ]) {
      const { producer, pictures, errors } = play({ kind: 'video', input: video, width, height });
      await until(
        () => pictures.length > 0,
        undefined,
        () => errors.join(),
      );
      await producer.stop();
      const { width: w, height: h } = await sharp(pictures[0]).metadata();
      assert.deepEqual([w, h], [width, height]);
    }
  });

  it('says of sound with a cover that it has no moving picture, and leaves it at that', async () => {
    const [cover, sound] = [join(folder, 'cover.jpg'), join(folder, 'song.m4a')];
    await sharp({ create: { width: 64, height: 64, channels: 3, background: '#00f' } }).toFile(cover);
    await run('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'sine=duration=2',
      '-i',
      cover,
      '-map',
      '0',
      '-map',
      '1',
      '-c:v',
      'copy',
      '-disposition:v:0',
      'attached_pic',
      sound,
    ]);
    const { producer, errors } = play({ kind: 'video', input: sound });
    await until(() => errors.length > 0);
    await producer.stop();
    assert.match(errors[0], /song\.m4a has no moving picture/);
  });

  it('begins again at most once a second, however short a video is', async () => {
    const video = join(folder, 'moment.mp4');
    await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=25:duration=2', '-pix_fmt', 'yuv420p', video]);
    const { producer, pictures, errors } = play({ kind: 'video', input: video, start: 1.9 });
    await until(
      () => pictures.length > 0,
      undefined,
      () => errors.join(),
    );
    const [before, began] = [pictures.length, performance.now()];
    await pause(2000);
    await producer.stop();
    const seconds = (performance.now() - began) / 1000;
    // Three pictures a round.
    assert.ok(pictures.length - before <= 3 * (seconds + 1), `${pictures.length - before} pictures in ${seconds} seconds`);
  });
});
