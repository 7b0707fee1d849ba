import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { PART_BEGINS, partOf } from '../../nodes/lib/web/multipart';
import { FfmpegWriter } from '../../nodes/lib/ffmpeg/writer';
import { VirtualCamera, virtualCameraArguments } from '../../nodes/lib/sink/virtual-camera';
import { readVirtualCamera } from '../../nodes/lib/sink/settings';
import sink from '../../nodes/sink';
import { needFfmpeg } from '../lib/ffmpeg';
import { calls, helper, PATIENCE, startFlow, until } from '../lib/flow';

const run = promisify(execFile);
/** A loopback device of this machine, if it has one: LOOPBACK=/dev/video10. */
const DEVICE = process.env.LOOPBACK;
const picture = (background: string, width = 64, height = 48): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
const def = (loopback?: string): Parameters<typeof readVirtualCamera>[0] => ({ loopback }) as never;

describe('a virtual camera of a sink', () => {
  let folder: string;
  let red: Buffer;

  before(async function () {
    await needFfmpeg.call(this);
    red = await picture('#f00');
  });
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'loopback-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  it('is a device of Linux, or none', () => {
    assert.equal(readVirtualCamera(def(), 'ffmpeg', 'linux'), undefined);
    assert.equal(readVirtualCamera(def(' '), 'ffmpeg', 'darwin'), undefined);
    assert.deepEqual(readVirtualCamera(def('/dev/video10'), '/opt/ffmpeg', 'linux'), { device: '/dev/video10', ffmpeg: '/opt/ffmpeg' });
    assert.throws(() => readVirtualCamera(def('film.mp4'), 'ffmpeg', 'linux'), {
      code: 'EBADPARAM',
      message: /such as \/dev\/video10, not "film.mp4"/,
    });
    assert.throws(() => readVirtualCamera(def('/dev/video10'), 'ffmpeg', 'win32'), {
      code: 'EBADPARAM',
      message: /needs Linux.*runs win32/,
    });
  });

  it('gets each picture once, at once, all in the size of the first, after a pause as before', async () => {
    // The same arguments into a file instead of the device: what a device would be given.
    const file = join(folder, 'frames.yuv');
    const args = [...virtualCameraArguments('/dev/video10', 63, 48).slice(0, -2), 'rawvideo', '-flush_packets', '1', file];
    let exit: unknown;
    const writer = new FfmpegWriter('ffmpeg', args, (how) => (exit = how));
    const size = (64 * 48 * 3) / 2;
    const written = (): number => (existsSync(file) ? statSync(file).size / size : 0);
    const blue = await picture('#00f', 100, 50);
    for (let k = 0; k < 30; k++) {
      writer.write(Buffer.concat([PART_BEGINS, partOf(k < 15 ? red : blue)]));
      if (k === 15)
        await until(
          () => written() === 16,
          PATIENCE,
          () => `${written()} of 16 pictures were passed on before the next one came`,
        );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await writer.end();
    assert.deepEqual(exit, { code: 0, signal: null, reason: 'ffmpeg ended with code 0' });
    assert.equal(written(), 30);
    const last = (await readFile(file)).subarray(-size);
    const [y, u, v] = [last[24 * 64 + 32], last[64 * 48 + 12 * 32 + 16], last[64 * 48 * 1.25 + 12 * 32 + 16]];
    assert.ok(y < 60 && u > 220 && v < 130, `the last picture is blue: ${[y, u, v]}`);
  });

  it('that is not there: says so once and in a sentence, passes messages on, tries again ever more slowly', async () => {
    const device = '/dev/video-nowhere';
    const flow = [
      { id: 'sink', type: 'streamdiffusion-sink', name: 'wall', loopback: device, wires: [['out']] },
      { id: 'out', type: 'helper', wires: [] },
    ];
    await startFlow([sink], flow as never);
    const errors = calls('sink', 'error');
    let passed = 0;
    helper.getNode('out').on('input', () => passed++);
    const tries: number[] = [];
    const camera = new VirtualCamera({ ffmpeg: 'ffmpeg', device }, () => tries.push(performance.now()));
    const source = setInterval(() => {
      helper.getNode('sink').receive({ payload: red });
      camera.show({ jpeg: red, frame: {} });
    }, 50);
    try {
      await until(() => tries.length >= 2 && errors.length > 0);
    } finally {
      clearInterval(source);
      await camera.finish();
    }
    assert.ok(tries[1] - tries[0] > 1000, 'not at once again');
    assert.equal(errors.length, 1);
    assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
    assert.match(String(errors[0]), /the virtual camera \/dev\/video-nowhere cannot be played to: .*(No such file|Unable to open)/s);
    assert.ok(passed > 10);
  });

  it('that is not a video device, or without ffmpeg: in words as well', async () => {
    const device = join(folder, 'file');
    await writeFile(device, '');
    for (const [ffmpeg, sentence] of [
      ['ffmpeg', /ioctl|device/],
      ['/nowhere/ffmpeg', /ffmpeg was not found as "\/nowhere\/ffmpeg"/],
    ] as const) {
      const errors: Error[] = [];
      const camera = new VirtualCamera({ ffmpeg, device }, (error) => errors.push(error));
      camera.show({ jpeg: red, frame: {} });
      await until(() => errors.length === 1);
      assert.match(errors[0].message, sentence);
      assert.equal(camera.isPlaying, false);
      await camera.finish();
    }
  });

  it('can be read by another program', async function () {
    if (!DEVICE) {
      console.log('      skipped: LOOPBACK does not name a device of the module v4l2loopback');
      return this.skip();
    }
    accessSync(DEVICE, constants.W_OK);
    const camera = new VirtualCamera({ ffmpeg: 'ffmpeg', device: DEVICE }, (error) => assert.fail(error));
    const playing = setInterval(() => camera.show({ jpeg: red, frame: {} }), 40);
    try {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const { stdout } = await run(
        'ffmpeg',
        ['-v', 'error', '-f', 'v4l2', '-i', DEVICE, '-frames:v', '1', '-f', 'image2pipe', '-c:v', 'png', 'pipe:1'],
        { encoding: 'buffer' },
      );
      const { dominant } = await sharp(stdout).stats();
      assert.ok(dominant.r > 200 && dominant.b < 60);
    } finally {
      clearInterval(playing);
      await camera.finish();
    }
  });
});
