import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import source from '../../nodes/source';
import { colourName, isMostly, meanColour } from '../lib/colours';
import { needFfmpeg } from '../lib/ffmpeg';
import { PATIENCE, calls, helper, messagesAt, startFlow, until } from '../lib/flow';
import { flowOf, frameOf } from '../lib/source-flow';
import { strain } from '../lib/strain';

const run = promisify(execFile);

describe('frame source on a video', () => {
  before(needFfmpeg);
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'source-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  const video = async (seconds = 1): Promise<string> => {
    const file = join(folder, 'red.mkv');
    const input = `color=red:size=160x120:rate=25:duration=${seconds}`;
    await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', input, '-c:v', 'mjpeg', file]);
    return file;
  };
  /** Longer than a test lasts: between two rounds there is no ffmpeg. */
  const LONG = 20;

  it('plays a video at the wanted rate and size, again and again', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: await video(), fps: '10', width: '64', height: '64' }));
    const messages = await messagesAt('out', 15);
    for (const msg of messages) {
      assert.equal(frameOf(msg).source, 'video');
      const { width, height } = await sharp(msg.payload as Buffer).metadata();
      assert.deepEqual([width, height], [64, 64]);
    }
    assert.ok(isMostly(await meanColour(messages[14].payload), 0));
    const seconds = (frameOf(messages[14]).timestamp - frameOf(messages[0]).timestamp) / 1000;
    assert.ok(seconds > 0.9 && seconds < 6 * strain(), `14 frames took ${seconds} s: real time, and longer than the video`);
  });

  it('ends with a video that is not to loop', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: await video(), fps: '25', loop: false }));
    const states = calls('source', 'status');
    await until(
      () => states.some((state) => (state as { text: string }).text === 'status.ended'),
      PATIENCE,
      () => JSON.stringify(states),
    );
  });

  /** One second of black, red, green and blue each. */
  const colours = async (): Promise<string> => {
    const file = join(folder, 'colours.mkv');
    const inputs = ['black', 'red', 'lime', 'blue'].flatMap((colour) => [
      '-f',
      'lavfi',
      '-i',
      `color=${colour}:size=64x64:rate=25:duration=1`,
    ]);
    await run('ffmpeg', ['-v', 'error', ...inputs, '-filter_complex', 'concat=n=4', '-c:v', 'mjpeg', file]);
    return file;
  };

  it('plays a video faster, from where it is to begin, also when it begins again', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: await colours(), fps: '10', start: '2', speed: '2' }));
    // Two of the four seconds, in one: 5 green and 5 blue pictures a round.
    const messages: NodeMessage[] = [];
    let row = '';
    let turn = Promise.resolve();
    helper.getNode('out').on('input', (msg: NodeMessage) => {
      messages.push(msg);
      turn = turn.then(async () => {
        row += colourName(await meanColour(msg.payload));
      });
    });
    // A machine that is busy leaves pictures out, but not in every round.
    await until(
      () => /g{4,6}b{4,6}g{4,6}b{4,6}/.test(row),
      PATIENCE,
      () => row,
    );
    assert.match(row, /^[gb]+$/);
    const seconds = (frameOf(messages[8]).timestamp - frameOf(messages[0]).timestamp) / 1000;
    assert.ok(seconds > 0.55 && seconds < 4 * strain(), `8 pictures at 10 a second took ${seconds} s`);
  });

  it('says so when a video ends before the place where it is to begin', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: await video(), start: '60', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length > 0);
    assert.match(String(errors[0]), /red\.mkv has no picture after second 60/);
  });

  it('leaves no ffmpeg behind when the flow stops', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: await video(LONG) }));
    await messagesAt('out', 1);
    assert.equal(await ffmpegChildren(), 1);
    await helper.unload();
    assert.equal(await ffmpegChildren(), 0);
  });

  it('leaves no ffmpeg behind when Node-RED itself is killed', async () => {
    const program = `new (require(${JSON.stringify(require.resolve('../../nodes/lib/ffmpeg/ffmpeg'))}).FfmpegProducer)('ffmpeg',
      { kind: 'video', input: ${JSON.stringify(await video(LONG))}, loop: true, start: 0, speed: 1, fps: 25, width: 64, height: 64 }, { frame() { console.log('frame') } })`;
    const owner = spawn(process.execPath, ['-e', program]);
    await new Promise((resolve) => owner.stdout.once('data', resolve));
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(owner.pid)]);
    const ffmpeg = Number(stdout);
    assert.ok(ffmpeg > 0);
    owner.kill('SIGKILL');
    await until(
      () => !existsSync(`/proc/${ffmpeg}/exe`),
      PATIENCE,
      () => `ffmpeg ${ffmpeg} is still there`,
    );
  });

  it('tells a video that cannot be played in the words of ffmpeg', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: join(folder, 'nothing.mp4'), autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length > 0);
    assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
    assert.match(String(errors[0]), /nothing\.mp4 cannot be played: No such file/);
    assert.doesNotMatch(String(errors[0]), /0x/, 'no places in memory');
  });

  it('says so when there is no ffmpeg', async () => {
    await startFlow([source], flowOf({ kind: 'video', video: 'any.mp4', ffmpeg: '/nowhere/ffmpeg', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length > 0);
    assert.match(String(errors[0]), /ffmpeg was not found as "\/nowhere\/ffmpeg"/);
  });

  it('plays a video behind a login from where it is told, again and again', async () => {
    const film = await readFile(await colours());
    const login = `Basic ${Buffer.from('visitor:swordfish').toString('base64')}`;
    const asked: string[] = [];
    const server = createServer(({ headers, url = '' }, response) => {
      if (headers.authorization !== login) return response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="films"' }).end();
      asked.push(url);
      const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      return response
        .writeHead(206, { 'Accept-Ranges': 'bytes', 'Content-Range': `bytes ${from}-${film.length - 1}/${film.length}` })
        .end(film.subarray(from));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/it's%20film.mkv`;
      const fields = { kind: 'video', video: address, start: '3', fps: '10', width: '64', height: '64' };
      await startFlow([source], flowOf(fields), { source: { user: 'visitor', password: 'swordfish' } });
      // Only the last of the four seconds, three times.
      const messages = await messagesAt('out', 25);
      for (const { payload } of messages) assert.equal(colourName(await meanColour(payload)), 'b');
      assert.ok(asked.length >= 3 && asked.every((url) => url === "/it's%20film.mkv"), asked.join());
    } finally {
      await helper.unload();
      server.closeAllConnections();
      server.close();
    }
  });
});

/** How many ffmpeg processes this process has. */
async function ffmpegChildren(): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'comm=', '--ppid', String(process.pid)]);
  return stdout.split('\n').filter((name) => name.trim() === 'ffmpeg').length;
}
