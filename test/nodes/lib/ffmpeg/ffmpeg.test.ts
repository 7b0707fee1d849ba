import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { play } from '../../../lib/ffmpeg';
import { until } from '../../../lib/until';

describe('a camera by its name', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'camera-'))));
  afterEach(() => rm(folder, { recursive: true }));
  it('that refuses one way is asked the next, and a failure is told once, when none is left', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: the ways that are tried are those of Linux');
      return this.skip();
    }
    const picture = join(folder, 'picture.jpg');
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#f00' } }).toFile(picture);
    const program = join(folder, 'ffmpeg');
    const log = join(folder, 'log');
    // A camera that knows no MJPEG.
    await writeFile(
      program,
      `#!/bin/sh\necho "$*" >> '${log}'\ncase "$*" in *mjpeg\\ -video*) echo "Cannot find a proper format" >&2; exit 1;; esac\ncat '${picture}'\nexec sleep 60\n`,
    );
    await chmod(program, 0o755);
    const { producer, pictures, errors } = play({ kind: 'camera', input: '/dev/video0' }, program);
    await until(() => pictures.length > 0);
    await producer.stop();
    assert.deepEqual(errors, []);
    assert.equal((await readFile(log, 'utf8')).trim().split('\n').length, 2);

    await writeFile(program, `#!/bin/sh\necho "$*" >> '${log}2'\necho "no such camera" >&2\nexit 1\n`);
    const gone = play({ kind: 'camera', input: '/dev/video0' }, program);
    await until(() => gone.errors.length > 0);
    await gone.producer.stop();
    assert.match(gone.errors[0], /\/dev\/video0 cannot be played: no such camera/);
    assert.equal(gone.errors.length, 1);
    assert.equal((await readFile(`${log}2`, 'utf8')).trim().split('\n').length, 3);
  });
});
