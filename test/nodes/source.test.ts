import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { fileToJpeg } from '../../nodes/lib/common/jpeg';
import { maskSecrets } from '../../nodes/lib/ffmpeg/camera-address';
import { ffmpegArguments, ffmpegScript } from '../../nodes/lib/ffmpeg/arguments';
import { JpegSplitter } from '../../nodes/lib/ffmpeg/jpeg-splitter';
import { holdsLogin, type SourceDef } from '../../nodes/lib/source/settings';
import { sortInSlices } from '../../nodes/lib/common/sort-in-slices';
import source from '../../nodes/source';
import { PATIENCE, calls, helper, messagesAt, startFlow, until, type FlowNode } from '../lib/flow';
import { strain } from '../lib/strain';
import { standsStill } from '../lib/until';

const run = promisify(execFile);

const flowOf = (fields: Record<string, unknown>): FlowNode[] => [
  { id: 'source', type: 'streamdiffusion-source', wires: [['out']], ...fields },
  { id: 'out', type: 'helper' },
];

const frameOf = (msg: NodeMessage) => msg.frame as { id: number; width: number; height: number; timestamp: number; source: string };

/** The mean colour of a JPEG, [r, g, b]. */
async function meanColour(jpeg: unknown): Promise<number[]> {
  const { channels } = await sharp(jpeg as Buffer).stats();
  return channels.map((channel) => channel.mean);
}

const isMostly = (colour: number[], channel: number): boolean => colour.every((value, i) => (i === channel ? value > 180 : value < 80));

/** r, g or b; k for black. */
const colourName = (colour: number[]): string => ['r', 'g', 'b'].find((_, channel) => isMostly(colour, channel)) ?? 'k';

async function solid(colour: string, file: string, width = 40, height = 30): Promise<void> {
  await sharp({ create: { width, height, channels: 3, background: colour } }).toFile(file);
}

describe('frame source', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'source-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  it('shows the test card when nothing is set, as the contract has it', async () => {
    await startFlow([source], flowOf({ topic: 'stage' }));
    const started = Date.now();
    const messages = await messagesAt('out', 5);
    for (const [i, msg] of messages.entries()) {
      const { width, height, format } = await sharp(msg.payload as Buffer).metadata();
      assert.deepEqual([width, height, format], [256, 256, 'jpeg']);
      assert.deepEqual([msg.contentType, msg.topic], ['image/jpeg', 'stage']);
      const frame = frameOf(msg);
      assert.deepEqual([frame.width, frame.height, frame.source], [256, 256, 'test-card']);
      assert.equal(frame.id, frameOf(messages[0]).id + i);
      assert.ok(frame.timestamp >= started - 1000 && frame.timestamp <= Date.now());
    }
    assert.equal(new Set(messages.map((msg) => (msg.payload as Buffer).toString('base64'))).size, 5, 'every picture is another');
  });

  it('keeps its rate and size', async () => {
    await startFlow([source], flowOf({ fps: '20', width: '128', height: '64' }));
    const messages = await messagesAt('out', 21);
    const { width, height } = await sharp(messages[0].payload as Buffer).metadata();
    assert.deepEqual([width, height], [128, 64]);
    const times = messages.map((msg) => frameOf(msg).timestamp);
    const seconds = (times[20] - times[0]) / 1000;
    assert.ok(seconds > 0.8, `20 frames took ${seconds} s`);
    // Half of the pauses: a machine that stands still now and then makes some longer.
    const pauses = times.slice(1).map((time, k) => time - times[k]);
    const median = pauses.sort((a, b) => a - b)[10];
    assert.ok(median > 25 && median < 95 * strain(), `a frame came every ${median} ms`);
  });

  it('is started and stopped by messages', async () => {
    await startFlow([source], flowOf({ autostart: false }));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    const node = helper.getNode('source');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(arrived.length, 0, 'nothing comes before the start');

    node.receive({ payload: true });
    await until(() => arrived.length > 2);
    node.receive({ payload: 'stop' });
    await standsStill(() => arrived.length, 400);
    const count = arrived.length;

    node.receive({ payload: 'start' });
    await until(() => arrived.length > count);
  });

  it('says what it takes when a message asks for something else', async () => {
    const nodes = [
      ...flowOf({ autostart: false }),
      { id: 'catcher', type: 'catch', scope: null, wires: [['caught']] },
      { id: 'caught', type: 'helper' },
    ];
    await startFlow([source], [{ id: 'tab', type: 'tab' }, ...nodes.map((node) => ({ ...node, z: 'tab' }))]);
    helper.getNode('source').receive({ payload: 'sing' });
    const [msg] = await messagesAt('caught', 1);
    const error = msg.error as { message: string; code: string };
    assert.equal(error.code, 'EBADPARAM');
    assert.match(error.message, /"start".*"sing"/);
  });

  it('refuses fields that cannot work, with the field in the error', async () => {
    for (const [fields, field] of [
      [{ fps: 'NaN' }, 'fps'],
      [{ fps: '0' }, 'fps'],
      [{ width: '-1' }, 'width'],
      [{ height: '12.5' }, 'height'],
      [{ kind: 'moon' }, 'kind'],
      [{ kind: 'folder' }, 'folder'],
      [{ kind: 'camera', camera: ' ' }, 'camera'],
    ] as const) {
      await startFlow([source], flowOf({ ...fields, autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => errors.length > 0);
      assert.equal((errors[0] as { code: string }).code, 'EBADPARAM');
      assert.match(String(errors[0]), new RegExp(field));
      await helper.unload();
    }
  });

  describe('picture folder', () => {
    it('shows its pictures as people count them, cropped to the size, over and over', async () => {
      await solid('#f00', join(folder, 'picture 2.png'));
      await solid('#00f', join(folder, 'picture 10.jpg'));
      await writeFile(join(folder, 'notes.txt'), 'not a picture');
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '30', width: '48', height: '48' }));
      const messages = await messagesAt('out', 5);
      const first = isMostly(await meanColour(messages[0].payload), 0) ? 0 : 1;
      for (const [i, msg] of messages.entries()) {
        const red = (i + first) % 2 === 0;
        assert.ok(isMostly(await meanColour(msg.payload), red ? 0 : 2), `message ${i}`);
        assert.equal(msg.filename, join(folder, red ? 'picture 2.png' : 'picture 10.jpg'));
        const { width, height } = await sharp(msg.payload as Buffer).metadata();
        assert.deepEqual([width, height], [48, 48]);
      }
    });

    it('ends after the last picture when it is not to loop, and begins again on reset', async () => {
      await solid('#f00', join(folder, 'a.png'));
      await solid('#0f0', join(folder, 'b.png'));
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', loop: false, autostart: false }));
      const arrived: NodeMessage[] = [];
      helper.getNode('out').on('input', (msg) => arrived.push(msg));
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => arrived.length === 2);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal(arrived.length, 2);
      helper.getNode('source').receive({ reset: true });
      await until(() => arrived.length === 4);
      assert.ok(isMostly(await meanColour(arrived[2].payload), 0));
    });

    it('reports a picture that cannot be read and goes on with the next', async () => {
      await writeFile(join(folder, 'a.jpg'), 'torn');
      await solid('#0f0', join(folder, 'b.png'));
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      const messages = await messagesAt('out', 4);
      for (const msg of messages) assert.ok(isMostly(await meanColour(msg.payload), 1));
      assert.equal((errors[0] as { code: string }).code, 'EBADFRAME');
      assert.match(String(errors[0]), /a\.jpg/);
      assert.equal(errors.length, 1, 'once, not in every round');
    });

    it('leaves out what is not a picture or cannot be read, at no beat and told once, until it is written anew', async () => {
      for (const name of ['._a.png', '.hidden.jpg', '~$a.jpg', '.DS_Store']) await writeFile(join(folder, name), 'not a picture');
      await writeFile(join(folder, 'a0.jpg'), '');
      for (const name of ['a1.jpg', 'a2.jpg', 'a3.jpg']) await writeFile(join(folder, name), 'torn');
      await solid('#0f0', join(folder, 'b.png'));
      await solid('#00f', join(folder, 'c.png'));
      const { length } = await readdir(folder);
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '300', autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      const began = performance.now();
      const messages = await messagesAt('out', 5);
      // Where each file had a beat, it would be almost thirty.
      assert.ok(performance.now() - began < 300 * 2 * length * strain(), 'five pictures in five beats');
      assert.deepEqual(
        messages.map(({ filename }) => (filename as string).slice(-5)),
        ['b.png', 'c.png', 'b.png', 'c.png', 'b.png'],
      );
      assert.equal(errors.length, 3, errors.join());
      await solid('#f00', join(folder, 'a2.jpg'));
      const later = await messagesAt('out', 12);
      assert.ok(later.some(({ filename }) => (filename as string).endsWith('a2.jpg')));
      assert.equal(errors.length, 3);
    });

    it('a file that is too large for a picture, or none at all, is refused before it is read', async () => {
      const large = await open(join(folder, 'a.jpg'), 'w');
      await large.truncate(20e9);
      await large.close();
      if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'b.jpg')]);
      await assert.rejects(fileToJpeg(join(folder, 'a.jpg'), 16, 16, 80), {
        code: 'EBADFRAME',
        message: /20000000000 bytes, of at most 67108864/,
      });
      if (process.platform !== 'win32')
        await assert.rejects(fileToJpeg(join(folder, 'b.jpg'), 16, 16, 80), { code: 'EBADFRAME', message: /regular file/ });
    });

    it('says so when no picture of a folder can be read, and tries again', async () => {
      await writeFile(join(folder, 'a.jpg'), 'torn');
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => errors.length === 2);
      assert.match(String(errors[1]), /none of the 1 pictures/);
    });

    it('holds up nothing else, however many pictures there are', async () => {
      const names = Array.from({ length: 10_000 }, (_, k) => `picture ${(k * 7919) % 10_000}.jpg`);
      const byName = new Intl.Collator('en', { numeric: true });
      // The best of five: what else a machine does now and then holds it up as well.
      let longest = Infinity;
      for (let k = 0; k < 5; k++) {
        const delay = monitorEventLoopDelay({ resolution: 5 });
        delay.enable();
        await new Promise((resolve) => setTimeout(resolve, 50));
        delay.reset();
        const sorted = await sortInSlices(names, byName.compare);
        await new Promise((resolve) => setTimeout(resolve, 50));
        delay.disable();
        assert.deepEqual(sorted.slice(0, 3), ['picture 0.jpg', 'picture 1.jpg', 'picture 2.jpg']);
        assert.equal(sorted.at(-1), 'picture 9999.jpg');
        longest = Math.min(longest, delay.max / 1e6);
      }
      console.log(`      10,000 names: the event loop stood still for ${longest.toFixed(0)} ms at most`);
      assert.ok(longest < 60 * strain(), `${longest} ms`);
    });

    it('shows a picture that is added next, as soon as it is whole', async () => {
      for (const name of ['a', 'b', 'c', 'd']) await solid('#f00', join(folder, `${name}.png`));
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '200' }));
      await messagesAt('out', 1);
      const picture = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#00f' } })
        .png()
        .toBuffer();
      const errors = calls('source', 'error');
      await writeFile(join(folder, 'z.png'), picture.subarray(0, 60));
      setTimeout(() => void writeFile(join(folder, 'z.png'), picture), 400);
      const messages = await messagesAt('out', 14);
      const blue = await Promise.all(messages.map(async (msg) => isMostly(await meanColour(msg.payload), 2)));
      assert.ok(blue.indexOf(true) >= 0 && blue.indexOf(true) < 12, `${blue}`);
      assert.deepEqual(errors, [], 'half a file is nobody’s fault');
    });

    it('shows only new and overwritten pictures when that is wanted', async () => {
      await solid('#f00', join(folder, 'old.png'));
      await startFlow([source], flowOf({ kind: 'folder', folder, interval: '50', onlyNew: true, autostart: false }));
      const arrived: NodeMessage[] = [];
      helper.getNode('out').on('input', (msg) => arrived.push(msg));
      const states = calls('source', 'status');
      helper.getNode('source').receive({ payload: 'start' });
      await until(
        () => states.some((state) => (state as { text: string }).text === 'status.waiting-picture'),
        PATIENCE,
        () => JSON.stringify(states),
      );
      await solid('#0f0', join(folder, 'new.png'));
      await until(() => arrived.length === 1);
      await solid('#00f', join(folder, 'old.png'), 50, 50);
      await until(() => arrived.length === 2);
      assert.ok(isMostly(await meanColour(arrived[0].payload), 1));
      assert.ok(isMostly(await meanColour(arrived[1].payload), 2));
      await new Promise((resolve) => setTimeout(resolve, 1200));
      assert.equal(arrived.length, 2, 'each once');
    });

    it('names a folder that is not there, or holds no picture', async () => {
      for (const [path, sentence] of [
        [join(folder, 'nowhere'), /no such folder/],
        // Nobody sees in which folder Node-RED was started.
        ['nowhere/pictures', /no such folder: nowhere\/pictures \(that is [/\\A-Z].*nowhere.pictures\)/],
        [folder, /holds no picture/],
      ] as const) {
        await startFlow([source], flowOf({ kind: 'folder', folder: path, interval: '20', autostart: false }));
        const errors = calls('source', 'error');
        helper.getNode('source').receive({ payload: 'start' });
        await until(() => errors.length > 0);
        assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
        assert.match(String(errors[0]), sentence);
        await new Promise((elapsed) => setTimeout(elapsed, 100));
        assert.equal(errors.length, 1, 'said once');
        await helper.unload();
      }
    });
  });

  describe('video and camera', () => {
    before(async function () {
      await run('ffmpeg', ['-version']).catch(() => {
        console.log('      skipped: ffmpeg is not installed');
        this.skip();
      });
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

    it('shows the screen of this machine', async function () {
      if (!existsSync('/usr/bin/Xvfb')) {
        console.log('      skipped: Xvfb is not installed');
        return this.skip();
      }
      const display = `:${90 + (process.pid % 1000)}`;
      const screen = spawn('Xvfb', [display, '-screen', '0', '320x240x24', '-nolisten', 'tcp'], { stdio: 'ignore' });
      try {
        await until(() => existsSync(`/tmp/.X11-unix/X${display.slice(1)}`));
        await startFlow([source], flowOf({ kind: 'screen', screen: display, width: '160', height: '120', fps: '10' }));
        const [msg] = await messagesAt('out', 3);
        const { width, height } = await sharp(msg.payload as Buffer).metadata();
        assert.deepEqual([width, height, frameOf(msg).source], [160, 120, 'screen']);
      } finally {
        await helper.unload();
        screen.kill();
      }
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

    it('logs in to a network camera, comes back after it broke off, and never tells the password', async () => {
      const camera = await startCamera('visitor', 'swörd fish');
      try {
        const { port } = camera.server.address() as AddressInfo;
        const fields = { kind: 'camera', camera: `http://127.0.0.1:${port}/stream`, autostart: false };
        await startFlow([source], flowOf(fields), { source: { user: 'visitor', password: 'swörd fish' } });
        const errors = calls('source', 'error');
        const states = calls('source', 'status');
        helper.getNode('source').receive({ payload: 'start' });
        const [msg] = await messagesAt('out', 1);
        assert.ok(isMostly(await meanColour(msg.payload), 1));
        const { stdout: processes } = await run('ps', ['-o', 'args=', '--ppid', String(process.pid)]);
        assert.match(processes, /ffmpeg .* -i pipe:0/);
        assert.doesNotMatch(processes, /fish|visitor/);

        camera.refuse = true;
        camera.server.closeAllConnections();
        await until(() => errors.length > 0);
        camera.refuse = false;
        await messagesAt('out', 1);
        const told = JSON.stringify([errors.map(String), states]);
        assert.match(told, /127\.0\.0\.1/, 'the camera is named');
        assert.doesNotMatch(told, /fish|visitor/);
      } finally {
        await helper.unload();
        camera.server.closeAllConnections();
        camera.server.close();
      }
    });
  });
});

describe('an address with a login in it', () => {
  it('is noticed, for it is part of the flow', () => {
    const held = (video: string): boolean => holdsLogin({ kind: 'video', video } as SourceDef);
    for (const address of ['rtsp://me:secret@camera/live', 'http://token@host:81/a', ' RTSPS://a:b@c']) assert.ok(held(address), address);
    for (const address of ['rtsp://camera/live?user=a@b', '/films/a@b.mp4', 'C:\\films\\a@b.mp4', 'http://host/a:b@c', ''])
      assert.ok(!held(address), address);
    assert.ok(holdsLogin({ kind: 'camera', camera: 'rtsp://a:b@c/' } as SourceDef));
    assert.ok(!holdsLogin({ kind: 'camera', video: 'rtsp://a:b@c/', camera: '0' } as SourceDef));
  });
});

describe('ffmpeg arguments', () => {
  const base = { fps: 25, width: 256, height: 192, loop: false, start: 0, speed: 1 } as const;

  it('name the devices of each system as its capture wants it', () => {
    const camera = { ...base, kind: 'camera' } as const;
    const input = (name: string, platform: NodeJS.Platform): string => ffmpegArguments({ ...camera, input: name }, platform).join(' ');
    assert.match(input('/dev/video0', 'linux'), /-f v4l2 .*-i \/dev\/video0 /);
    assert.match(input('0', 'darwin'), /-f avfoundation .*-i 0:none /);
    assert.match(input('Front Camera', 'win32'), /-f dshow -i video=Front Camera /);
    assert.match(input('rtsp://camera/live', 'linux'), /-rtsp_transport tcp -i rtsp:\/\/camera\/live /);
  });

  it('name the screens of each system as its capture wants it', () => {
    const screen = (name: string, platform: NodeJS.Platform): string =>
      ffmpegArguments({ ...base, kind: 'screen', input: name }, platform).join(' ');
    assert.match(screen(':1', 'linux'), /-f x11grab -framerate 25 -i :1 /);
    assert.match(screen('', 'darwin'), /-f avfoundation -framerate 25 -i Capture screen 0:none /);
    assert.match(screen('', 'win32'), /-f gdigrab -framerate 25 -i desktop /);
  });

  it('never hold a user or a password: an address with a login goes through standard input', () => {
    const login = { user: 'me', password: "p@ss/w'ord" };
    const camera = { ...base, ...login, kind: 'camera', input: 'rtsp://camera:554/live' } as const;
    assert.doesNotMatch(ffmpegArguments(camera).join(' '), /ord|camera/);
    assert.match(ffmpegArguments(camera).join(' '), /-f concat -safe 0 -protocol_whitelist pipe,tcp,.*,rtsp -i pipe:0/);
    assert.equal(ffmpegScript(camera), "ffconcat version 1.0\nfile 'rtsp://me:p%40ss%2Fw'\\''ord@camera:554/live?tcp'\n");
    assert.match(
      ffmpegScript({ ...base, kind: 'camera', input: "rtsp://me:secret@camera/it's?profile=1" })!,
      /'rtsp:\/\/me:secret@camera\/it'\\''s\?profile=1&tcp'/,
    );
    assert.match(
      ffmpegScript({ ...base, ...login, kind: 'video', input: 'https://host/film.mp4', start: 12.5 })!,
      /@host\/film.mp4'\ninpoint 12.5\n/,
    );
  });

  it('are as they were where there is no login, or nothing that could ask for it', () => {
    const login = { user: 'me', password: 'secret' };
    for (const input of [
      { ...base, kind: 'camera', input: 'rtsp://camera:554/live' },
      { ...base, ...login, kind: 'video', input: '/films/me.mp4' },
      { ...base, ...login, kind: 'camera', input: '/dev/video0' },
      { ...base, ...login, kind: 'screen', input: ':1' },
    ] as const) {
      assert.ok(ffmpegArguments(input, 'linux').includes(input.input));
      assert.equal(ffmpegScript(input), undefined);
    }
  });

  it('are masked wherever they are told', () => {
    assert.equal(maskSecrets('rtsp://me:p%40ss@camera/live: 401 for p@ss', ['p@ss']), 'rtsp://***@camera/live: 401 for ***');
    assert.equal(maskSecrets('http://a:b@host/x failed', []), 'http://***@host/x failed');
  });
});

describe('JPEG splitter', () => {
  it('finds the files in a stream, however it is cut, and skips what lies between them', async () => {
    const files = await Promise.all(
      ['#f00', '#0f0', '#00f'].map((background) =>
        sharp({ create: { width: 64, height: 64, channels: 3, background } })
          .jpeg()
          .toBuffer(),
      ),
    );
    // A comment segment with what looks like the end of a file.
    const tricky = Buffer.concat([files[1].subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 6, 0xff, 0xd9, 0xff, 0xd9]), files[1].subarray(2)]);
    const stream = Buffer.concat([Buffer.from('noise'), files[0], tricky, Buffer.from([0xff, 0]), files[2]]);
    for (const size of [1, 7, 100, stream.length]) {
      const splitter = new JpegSplitter();
      const found: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) found.push(...splitter.push(stream.subarray(at, at + size)));
      assert.deepEqual(
        found.map((file) => file.toString('hex')),
        [files[0], tricky, files[2]].map((file) => file.toString('hex')),
        `cut into ${size}`,
      );
    }
  });
});

/** How many ffmpeg processes this process has. */
async function ffmpegChildren(): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'comm=', '--ppid', String(process.pid)]);
  return stdout.split('\n').filter((name) => name.trim() === 'ffmpeg').length;
}

/** A network camera: green pictures as MJPEG for those who know the login. */
async function startCamera(user: string, password: string): Promise<{ server: Server; refuse: boolean }> {
  const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#0f0' } })
    .jpeg()
    .toBuffer();
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (camera.refuse || request.headers.authorization !== login) {
      response.writeHead(camera.refuse ? 503 : 401, { 'WWW-Authenticate': 'Basic realm="camera"' }).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
    const timer = setInterval(() => {
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
      response.write(jpeg);
      response.write('\r\n');
    }, 40);
    response.once('close', () => clearInterval(timer));
  });
  const camera = { server, refuse: false };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return camera;
}
