import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import sink from '../../nodes/sink';
import { needFfmpeg } from '../lib/ffmpeg';
import { PATIENCE, calls, helper, startFlow, until, type FlowNode } from '../lib/flow';

const run = promisify(execFile);

describe('recordings and snapshots of a sink', () => {
  let folder: string;
  const arrived: NodeMessage[] = [];

  before(needFfmpeg);
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'sink-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  async function start(fields: object = {}, settings: object = {}): Promise<void> {
    const flow: FlowNode[] = [
      { id: 'sink', type: 'streamdiffusion-sink', name: 'wall', folder: join(folder, 'media'), minFree: '0', wires: [['out']], ...fields },
      { id: 'out', type: 'helper' },
    ];
    helper.settings(settings);
    await startFlow([sink], flow);
    arrived.length = 0;
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
  }

  const tell = (msg: object): void => helper.getNode('sink').receive(msg as NodeMessage);
  const picture = (background: string, width = 63, height = 48): Promise<Buffer> =>
    sharp({ create: { width, height, channels: 3, background } })
      .jpeg()
      .toBuffer();

  async function play(seconds: number): Promise<void> {
    const [red, blue] = [await picture('#f00'), await picture('#00f', 100, 50)];
    for (let k = 0; k < seconds * 20; k++) {
      tell({ payload: k < seconds * 10 ? red : blue });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const writtenAs = async (): Promise<string> => {
    await until(() => arrived.some(({ filename }) => filename));
    return String(arrived.find(({ filename }) => filename)?.filename);
  };

  /** Seconds, width and height of a video. */
  async function facts(file: string): Promise<[number, number, number]> {
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=width,height:packet=pts_time',
      '-select_streams',
      'v',
      '-of',
      'json',
      file,
    ]);
    const { streams, packets } = JSON.parse(stdout) as { streams: { width: number; height: number }[]; packets: { pts_time: string }[] };
    const times = packets.map(({ pts_time }) => Number(pts_time));
    return [Math.max(...times) - Math.min(...times), streams[0].width, streams[0].height];
  }

  it('records what it shows, in the time in which it was shown, also when the size changes', async () => {
    await start();
    const began = performance.now();
    tell({ record: true });
    const file = await writtenAs();
    assert.match(basename(file), /^wall \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.\d{3}\.mp4$/);
    assert.equal(dirname(file), join(folder, 'media'));
    await play(3);
    arrived.length = 0;
    tell({ record: false });
    const took = (performance.now() - began) / 1000;
    assert.equal(await writtenAs(), file);
    const [seconds, width, height] = await facts(file);
    assert.ok(seconds > 2.5 && seconds < took + 0.5, `${seconds} s of ${took} s`);
    assert.deepEqual([width, height], [64, 48], 'even sides');
    const { stdout } = await run(
      'ffmpeg',
      ['-v', 'error', '-sseof', '-0.5', '-i', file, '-frames:v', '1', '-f', 'image2pipe', '-c:v', 'png', 'pipe:1'],
      { encoding: 'buffer' },
    );
    const { data, info } = await sharp(stdout).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const middle = data.subarray((24 * info.width + 32) * 3).subarray(0, 3);
    assert.ok(middle[2] > 200 && middle[0] < 60, `the last picture is blue: ${[...middle]}`);
  });

  it('makes the file whole when the flow is stopped in the middle', async () => {
    await start();
    tell({ record: 'true' });
    await play(2);
    const file = await writtenAs();
    await helper.unload();
    assert.ok((await facts(file))[0] > 0.8);
  });

  it('writes as many snapshots as are asked for, also in one millisecond', async () => {
    await start();
    const errors = calls('sink', 'error');
    tell({ payload: await picture('#00f') });
    for (let k = 0; k < 200; k++) tell({ snapshot: true });
    await until(
      () => arrived.filter(({ filename }) => filename).length === 200,
      PATIENCE,
      () => `${arrived.length} arrived`,
    );
    assert.deepEqual(errors, []);
    assert.equal(new Set(arrived.flatMap(({ filename }) => filename ?? [])).size, 200);
    assert.equal((await readdir(join(folder, 'media'))).length, 200);
  });

  it('writes the newest picture as a snapshot, and says where', async () => {
    await start();
    const jpeg = await picture('#0f0');
    tell({ payload: jpeg, snapshot: true });
    const file = await writtenAs();
    assert.deepEqual(await readFile(file), jpeg);
    assert.match(file, /\.jpg$/);
  });

  it('never fills the disk: the recording ends and says so', async () => {
    await start({ minFree: '100000' });
    const errors = calls('sink', 'error');
    tell({ record: true });
    await play(0.5);
    await until(() => errors.length > 0);
    assert.equal((errors[0] as { code: string }).code, 'EDISK');
    assert.match(String(errors[0]), /wall .*\.mp4 ended: the disk has less than 100000 GB left/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(errors.length, 1);
    tell({ snapshot: true });
    await until(() => errors.length > 1);
    assert.match(String(errors[1]), /snapshot cannot be written: the disk has less than 100000 GB left/);
  });

  it('says what is missing: a folder, a picture, ffmpeg; and goes on showing', async () => {
    await start({ folder: '' });
    let errors = calls('sink', 'error');
    tell({ record: true });
    tell({ snapshot: true });
    tell({ record: 'loud' });
    await until(
      () => errors.length === 3,
      PATIENCE,
      () => String(errors),
    );
    assert.match(errors.map(String).sort().join(), /no folder[\s\S]*no picture yet|no picture yet[\s\S]*no folder/);
    await helper.unload();
    await start({}, { streamdiffusionSinkFfmpeg: '/nowhere/ffmpeg' });
    errors = calls('sink', 'error');
    tell({ record: true });
    await play(0.3);
    await until(() => errors.length > 0);
    assert.match(String(errors[0]), /ffmpeg was not found as "\/nowhere\/ffmpeg"/);
    assert.equal(errors.length, 1);
    assert.ok(arrived.length > 3);
  });

  it('takes no name of a file from a message', async () => {
    await start();
    tell({ payload: await picture('#0f0'), snapshot: '../../evil.jpg', filename: '/tmp/evil.jpg' });
    await until(() => arrived.length === 1);
    const names = await readdir(join(folder, 'media'));
    assert.equal(names.length, 1);
    assert.ok((await stat(join(folder, 'media', names[0]))).size > 0);
    assert.match(names[0], /^wall /);
  });
});
