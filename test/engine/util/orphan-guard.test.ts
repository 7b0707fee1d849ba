import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { childOptions } from '../../../engine/util/child-options';
import { PATIENCE, until } from '../../lib/until';

/** Whether there is such a process that has not ended. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const INPUT = { kind: 'video', fps: 5, width: 64, height: 64, loop: true, start: 0, speed: 1 };

describe('an engine whose process was stopped', function () {
  this.timeout(2 * PATIENCE);
  let folder: string;
  before(function () {
    if (process.platform !== 'linux') {
      console.log('    skipped: what was stopped is looked up in /proc');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'orphan-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function run(script: string): Promise<ChildProcessByStdio<null, Readable, null>> {
    const file = join(folder, 'parent.js');
    await writeFile(file, script);
    return spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  for (const how of ['SIGKILL', 'SIGTERM'] as const) {
    it(`ends with its parent (${how})`, async () => {
      const script = `
        const { EngineSupervisor } = require(${JSON.stringify(require.resolve('../../../engine/host/client'))});
        const host = new EngineSupervisor({ model: 'starter', intraOpNumThreads: 1 });
        host.on('state', ({ phase }) => phase === 'ready' && console.log(host.pid));
        host.start();`;
      const parent = await run(script);
      const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
      const engine = Number(chunk.toString());
      assert.ok(lives(engine));
      process.kill(engine, 'SIGSTOP');
      parent.kill(how);
      await once(parent, 'close');
      await until(
        () => !lives(engine),
        PATIENCE,
        () => `${engine} is still there`,
      );
    });
  }

  it('and so do a codec process and an ffmpeg that gives pictures; one that writes a file finishes it first', async () => {
    const [film, video] = ['film.mkv', 'end.mkv'].map((name) => join(folder, name));
    spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=64x64:rate=5', '-t', '60', film]);
    const script = `
      const { CodecPool } = require(${JSON.stringify(require.resolve('../../../engine/image/codec-pool'))});
      const { FfmpegProducer } = require(${JSON.stringify(require.resolve('../../../nodes/lib/ffmpeg/ffmpeg'))});
      const { FfmpegWriter } = require(${JSON.stringify(require.resolve('../../../nodes/lib/ffmpeg/writer'))});
      const pool = new CodecPool();
      const input = ${JSON.stringify({ ...INPUT, input: film })};
      const producer = new FfmpegProducer('ffmpeg', input, { frame: () => undefined, failed: (error) => console.error(error) });
      const args = '-y -f rawvideo -pix_fmt gray -s 16x16 -r 5 -i - -c:v ffv1'.split(' ');
      const writer = new FfmpegWriter('ffmpeg', [...args, ${JSON.stringify(video)}], () => undefined);
      setInterval(() => writer.write(Buffer.alloc(256)), 100);
      pool.drawSvg('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', 80).then(() =>
        setTimeout(() => console.log(JSON.stringify([...pool.pids, producer.pid, writer.pid])), 1000));`;
    const parent = await run(script);
    const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
    const children = JSON.parse(chunk.toString()) as number[];
    assert.ok(children.length === 3 && children.every(lives), `${chunk}`);
    for (const child of children) process.kill(child, 'SIGSTOP');
    parent.kill('SIGKILL');
    await once(parent, 'close');
    await until(
      () => !children.some(lives),
      PATIENCE,
      () => `${children.filter(lives)} of ${children} are still there`,
    );
    const probe = spawnSync('ffprobe', [
      '-v',
      'error',
      '-count_frames',
      '-show_entries',
      'stream=nb_read_frames:format=duration',
      '-of',
      'csv=p=0',
      video,
    ]);
    assert.match(
      probe.stdout.toString(),
      /^[1-9]\d*\n\d+\.\d+/,
      `${probe.stdout} ${probe.stderr}: a duration stands only in a file that was ended`,
    );
  });

  it('is not given the program that its parent was started with, nor its inspector', () => {
    assert.deepEqual(childOptions(['--max-old-space-size=100', '--inspect=9229', '-e', 'start()', '--expose-gc']), [
      '--max-old-space-size=100',
      '--expose-gc',
    ]);
    assert.deepEqual(childOptions(['-p', '1']), []);
  });
});
