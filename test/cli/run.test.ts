import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { Engine } from '../../engine';
import { decode } from '../../engine/image/codec';
import { toPicture } from '../../engine/image/picture';
import { jpegs } from '../lib/pictures';
import { Program } from '../lib/program';
import { PATIENCE, until } from '../lib/until';

const execute = promisify(execFile);
const STARTER = ['run', '--model', 'starter', '--prompt', 'sunset over the sea'];

describe('streamdiffusion run', () => {
  let folder: string;
  const at = (...path: string[]): string => join(folder, ...path);
  const run = (...args: string[]): ReturnType<typeof Program.run> => Program.run([...STARTER, '--size', '128x128', ...args], {}, folder);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'run-'));
    await mkdir(at('in'));
    const pictures = await jpegs(5, 200);
    // As people count them, 2 comes before 10.
    for (const [i, name] of ['p1', 'p2', 'p9', 'p10', 'p11'].entries()) await writeFile(at('in', `${name}.jpg`), pictures[i].data);
    await writeFile(at('in', 'notes.txt'), 'no picture');
  });

  after(() => rm(folder, { recursive: true, force: true }));

  describe('on pictures', () => {
    it('paints every picture as the library does, one after the other, and says how far it is', async () => {
      const { code, stdout, stderr } = await run('--strength', '0.6', '--steps', '3', '--seed', '5', '--cfg', 'none', 'in', 'out');
      assert.equal(stderr, '');
      assert.equal(code, 0);
      assert.match(stdout, /^starter on cpu: 128×128, steps 20, 30, 40 of 50, guidance none$/m);
      assert.match(stdout, /^ 60% 3 of 5 frames {2}[\d.]+ frames\/s {2}\d+ s left$/m);
      assert.match(stdout, /^5 frames painted, in \d+ s: out$/m);
      assert.deepEqual((await readdir(at('out'))).sort(), ['p1.png', 'p10.png', 'p11.png', 'p2.png', 'p9.png']);

      const engine = await Engine.load({ model: 'starter' });
      const stream = await engine.createStream({
        mode: 'img2img',
        width: 128,
        height: 128,
        tIndexList: [20, 30, 40],
        cfgType: 'none',
        seed: 5,
        useDenoisingBatch: false,
      });
      await stream.setPrompt({ prompt: 'sunset over the sea' });
      for (const name of ['p1', 'p2', 'p9', 'p10', 'p11']) {
        const image = await decode(toPicture(await readFile(at('in', `${name}.jpg`))), 128, 128);
        const [{ image: expected }] = await stream.process({ image });
        const got = await sharp(at('out', `${name}.png`))
          .raw()
          .toBuffer();
        assert.equal(got.length, expected.data.length);
        // Rows of a batch are rounded otherwise than a row alone.
        assert.ok(
          got.every((value, i) => Math.abs(value - expected.data[i]) <= 2),
          name,
        );
      }
      await engine.close();
    });

    it('paints what the prompt says', async () => {
      await run('--strength', '1', 'in/p1.jpg', 'day.png');
      const { stdout } = await Program.run(
        ['run', '--model', 'starter', '--prompt', 'night, zeppelin', '--strength', '1', '--size', '128x128', 'in/p1.jpg', 'night.png'],
        {},
        folder,
      );
      assert.match(stdout, /^This model does not know: zeppelin\.$/m);
      const brightness = async (name: string): Promise<number> => {
        const { channels } = await sharp(at(name)).stats();
        return channels.reduce((sum, { mean }) => sum + mean, 0) / 3;
      };
      assert.ok((await brightness('night.png')) < (await brightness('day.png')) - 10);
    });

    it("has the model's own size where none is given, and crops to fill it", async () => {
      const { code } = await Program.run([...STARTER, '--steps', '1', 'in/p1.jpg', 'own.jpg'], {}, folder);
      assert.equal(code, 0);
      const { width, height, format } = await sharp(at('own.jpg')).metadata();
      assert.deepEqual([width, height, format], [256, 256, 'jpeg']);
    });

    it('names a picture that cannot be read, paints the others, and says so by its exit code', async () => {
      await cp(at('in'), at('torn'), { recursive: true });
      await writeFile(at('torn', 'p2.jpg'), (await readFile(at('in', 'p2.jpg'))).subarray(0, 500));
      await writeFile(at('torn', 'p10.png'), await sharp(at('in', 'p10.jpg')).png().toBuffer());
      const { code, stdout } = await run('torn', 'mended', '--format', 'jpeg');
      assert.equal(code, 1);
      assert.match(stdout, /^skipped p2\.jpg: the picture cannot be decoded: .+$/m);
      assert.match(stdout, /^5 frames painted, 1 frame skipped/m);
      // Two pictures of one name stay two.
      assert.deepEqual((await readdir(at('mended'))).sort(), ['p1.jpg', 'p10.jpg', 'p10.png.jpg', 'p11.jpg', 'p9.jpg']);
    });

    it('writes over nothing unasked, and never over its input', async () => {
      await cp(at('in'), at('full'), { recursive: true });
      const taken = await run('in', 'full');
      assert.equal(taken.code, 1);
      assert.match(taken.stderr, /full is there already.*--overwrite.*\(EBADPARAM\)/);
      const self = await run('--overwrite', 'in', `../${folder.split('/').at(-1)}/in`);
      assert.equal(self.code, 1);
      assert.match(self.stderr, /is the input itself/);
      assert.equal((await run('--overwrite', '--steps', '1', 'in', 'full')).code, 0);
      assert.ok(existsSync(at('full', 'p11.png')) && existsSync(at('full', 'notes.txt')));
    });

    it('says what it cannot work with, before it writes anything', async () => {
      await mkdir(at('empty'), { recursive: true });
      const wrong: [string[], RegExp][] = [
        [['nowhere', 'x'], /there is no nowhere \(ESOURCE\)/],
        [['empty', 'x'], /empty holds no picture.*\(ESOURCE\)/],
        [['in', 'x.png'], /x\.png is one picture.*\(EBADPARAM\)/],
        [['in/p1.jpg', 'x.tiff'], /x\.tiff cannot be written.*\(EBADPARAM\)/],
        [['--strength', '1.5', 'in', 'x'], /strength must be a number from 0 to 1; got 1\.5 \(EBADPARAM\)/],
        [['--cfg', 'half', 'in', 'x'], /cfgType must be one of none, full, self, initialize.*\(EBADPARAM\)/],
        [['--size', '130x128', 'in', 'x'], /width must be a multiple of 16.*got 130 \(EBADPARAM\)/],
        [['--providers', 'abacus', 'in', 'x'], /abacus.*\(ENOPROVIDER\)/],
        [['--model', 'nothing', 'in', 'x'], /no model folder at nothing.*\(ENOMODEL\)/],
      ];
      for (const [args, message] of wrong) {
        const { code, stderr } = await run(...args);
        assert.equal(code, 1);
        assert.match(stderr, message);
      }
      assert.ok(!existsSync(at('x')));
    });
  });

  describe('on videos', () => {
    before(async function () {
      try {
        execFileSync('ffmpeg', ['-version']);
      } catch {
        console.log('    skipped: there is no ffmpeg');
        this.skip();
      }
      const source = [
        '-f',
        'lavfi',
        '-i',
        'testsrc2=size=320x180:rate=30000/1001:duration=1',
        '-f',
        'lavfi',
        '-i',
        'sine=frequency=440:duration=1',
      ];
      await execute('ffmpeg', ['-v', 'error', ...source, '-c:a', 'aac', at('film.mp4')]);
      await execute('ffmpeg', ['-v', 'error', '-i', at('film.mp4'), '-c', 'copy', at('film.mkv')]);
    });

    it('paints every frame, and keeps the rate and the sound', async () => {
      const { code, stdout } = await run('film.mp4', 'painted.mp4');
      assert.equal(code, 0);
      assert.match(stdout, /^30 frames painted/m);
      const [video, audio] = await streamsOf(at('painted.mp4'));
      assert.deepEqual(
        [video.codec_name, video.width, video.height, video.avg_frame_rate, video.nb_frames],
        ['h264', 128, 128, '30000/1001', '30'],
      );
      assert.equal(await soundOf(at('painted.mp4')), await soundOf(at('film.mp4')));
      assert.equal(audio.codec_name, 'aac');
      assert.ok(!(await readdir(folder)).some((name) => name.startsWith('.')));
    });

    it('keeps the order of the frames', async () => {
      // One frame in ten is bright; with little strength, the painted ones are as well.
      const levels =
        "lutrgb=r='val':g='val':b='val',geq=r='if(eq(mod(N,10),4),230,20)':g='if(eq(mod(N,10),4),230,20)':b='if(eq(mod(N,10),4),230,20)'";
      await execute('ffmpeg', [
        '-v',
        'error',
        '-f',
        'lavfi',
        '-i',
        'color=black:size=128x128:rate=10:duration=2',
        '-vf',
        levels,
        '-crf',
        '1',
        at('flash.mp4'),
      ]);
      assert.equal((await run('--strength', '0.2', '--steps', '3', 'flash.mp4', 'flashes')).code, 0);
      const names = (await readdir(at('flashes'))).sort();
      assert.equal(names.length, 20);
      const bright: number[] = [];
      for (const [i, name] of names.entries()) if ((await sharp(at('flashes', name)).stats()).channels[1].mean > 110) bright.push(i);
      assert.deepEqual(bright, [4, 14]);
    });

    it('makes pictures of a video, and a video of pictures', async () => {
      assert.equal((await run('--steps', '1', '--format', 'jpeg', 'film.mp4', 'frames')).code, 0);
      const names = await readdir(at('frames'));
      assert.equal(names.length, 30);
      assert.ok(names.includes('frame-000001.jpg') && names.includes('frame-000030.jpg'));
      assert.equal((await run('--steps', '1', '--fps', '5', 'in', 'slides.webm')).code, 0);
      const [video, ...others] = await streamsOf(at('slides.webm'));
      assert.deepEqual([video.avg_frame_rate, video.width, others.length], ['5/1', 128, 0]);
    });

    it('paints what is left of a torn video, and says so', async () => {
      const whole = await readFile(at('film.mkv'));
      await writeFile(at('torn.mkv'), whole.subarray(0, whole.length * 0.7));
      const { code, stdout } = await run('--steps', '1', 'torn.mkv', 'rest.mkv');
      assert.equal(code, 1);
      assert.match(stdout, /^skipped a part of torn\.mkv: .*File ended prematurely/m);
      const painted = Number(/^(\d+) frames painted/m.exec(stdout)?.[1]);
      assert.ok(painted > 5 && painted < 30, stdout);
      await writeFile(at('torn.mp4'), (await readFile(at('film.mp4'))).subarray(0, 5000));
      const hopeless = await run('torn.mp4', 'x.mp4');
      assert.equal(hopeless.code, 1);
      assert.match(hopeless.stderr, /torn\.mp4 cannot be read: .*moov atom not found[\s\S]*\(ESOURCE\)/);
    });

    it('leaves nothing half-written and no ffmpeg behind on Ctrl+C', async () => {
      await execute('ffmpeg', ['-v', 'error', '-stream_loop', '30', '-i', at('film.mp4'), '-c', 'copy', at('long.mp4')]);
      const program = new Program([...STARTER, '--size', '128x128', 'long.mp4', 'never.mp4'], {}, folder);
      await until(
        () => readdirSync(folder).some((name) => name.startsWith('.')),
        PATIENCE,
        () => program.stdout + program.stderr,
      );
      program.child.kill('SIGINT');
      assert.equal(await program.ended, 130);
      assert.equal(program.stderr, 'stopped\n');
      assert.deepEqual(
        (await readdir(folder)).filter((name) => name.startsWith('.') || name === 'never.mp4'),
        [],
      );
      const { stdout } = await execute('ps', ['-eo', 'args']);
      assert.ok(!stdout.includes(folder), stdout);
    });

    it('fails in words when a video cannot be written', async () => {
      const { code, stderr } = await run('film.mp4', '/proc/film.mp4');
      assert.equal(code, 1);
      assert.match(stderr, /\/proc\/film\.mp4 cannot be written: .+\(ESOURCE\)/);
    });

    it('says what to install when there is no ffmpeg', async () => {
      const path = { PATH: at('empty') };
      await mkdir(path.PATH, { recursive: true });
      const reading = await Program.run([...STARTER, 'film.mp4', 'x.mp4'], path, folder);
      const writing = await Program.run([...STARTER, 'in', 'x.mp4'], path, folder);
      for (const { code, stderr } of [reading, writing]) {
        assert.equal(code, 1);
        assert.match(stderr, /not found on PATH; install ffmpeg.*\(ESOURCE\)/);
      }
    });
  });

  interface StreamFacts {
    codec_name: string;
    width: number;
    height: number;
    avg_frame_rate: string;
    nb_frames: string;
  }

  async function streamsOf(path: string): Promise<StreamFacts[]> {
    const { stdout } = await execute('ffprobe', ['-v', 'error', '-show_streams', '-of', 'json', path]);
    return (JSON.parse(stdout) as { streams: StreamFacts[] }).streams;
  }

  /** A checksum of the decoded sound. */
  async function soundOf(path: string): Promise<string> {
    return (await execute('ffmpeg', ['-v', 'error', '-i', path, '-map', '0:a', '-f', 'md5', '-'])).stdout;
  }
});
