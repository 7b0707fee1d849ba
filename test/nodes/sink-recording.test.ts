import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { EngineError } from '../../engine/errors';
import { LIMITS, Recording, recordingArguments } from '../../nodes/lib/sink/recording';
import { needFfmpeg } from '../lib/ffmpeg';
import { ENDS, lengthOf, recordingRun } from '../lib/recording-run';
import { eventually, until } from '../lib/until';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a recording', () => {
  let folder: string;
  let red: Buffer;

  before(async function () {
    await needFfmpeg.call(this);
    red = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#f00' } })
      .jpeg()
      .toBuffer();
  });
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'recording-'))));
  afterEach(() => rm(folder, { recursive: true }));

  function record(file: string, ffmpeg = 'ffmpeg', limits = LIMITS): { recording: Recording; errors: EngineError[]; leftOut: number[] } {
    const errors: EngineError[] = [];
    const leftOut: number[] = [];
    const recording = new Recording(
      { ffmpeg, file, minFree: 0 },
      { failed: (error) => errors.push(error), leftOut: (number) => leftOut.push(number) },
      limits,
    );
    return { recording, errors, leftOut };
  }

  for (const end of ENDS) {
    it(`can be played up to its last second, at any rate: ${end}`, async () => {
      // Both at once: they wait for the clock.
      const runs = [
        { fps: 2, size: 512 },
        { fps: 10, size: 256 },
      ].map(async ({ fps, size }) => {
        const own = await mkdtemp(join(folder, 'run-'));
        return { fps, ...(await recordingRun({ fps, size, seconds: 4, end, folder: own })) };
      });
      for (const { fps, recorded, playable, errors } of await Promise.all(runs)) {
        // A busy machine may be a moment behind; pictures that wait for ffmpeg's look ahead would be all that there is.
        assert.ok(playable > recorded - 2, `${playable} s of ${recorded} s at ${fps} fps`);
        assert.ok(playable < recorded + 0.5, `${playable} s of ${recorded} s at ${fps} fps`);
        assert.equal(errors.length, end === 'kill of ffmpeg' ? 1 : 0, errors.join());
        if (end === 'kill of ffmpeg') assert.match(errors[0], /ended: ffmpeg ended with SIGKILL/);
      }
    });
  }

  it('has every picture once the way is free, each at its time, also while the clock on the wall is set', async () => {
    const file = join(folder, 'clock.mp4');
    const { recording, errors, leftOut } = record(file);
    const wall = Date.now;
    const began = performance.now();
    const shown: number[] = [];
    const seconds = (): number => (performance.now() - began) / 1000;
    try {
      for (let k = 0; k < 40; k++) {
        const jump = k < 10 ? 0 : k < 20 ? 3_600_000 : k < 30 ? -86_400_000 : 86_400_000;
        Date.now = () => wall() + jump;
        shown.push(seconds());
        recording.show({ jpeg: red, frame: {} });
        await pause(50);
      }
    } finally {
      Date.now = wall;
    }
    const ended = seconds();
    await recording.finish();
    assert.deepEqual([errors.map(String), leftOut], [[], []]);
    const { playable, decoded } = await lengthOf(file);
    assert.ok(decoded >= 40, `${decoded} of 40 pictures`);
    assert.ok(playable > shown.at(-1)! - 0.6 && playable < ended + 0.6, `${playable} s of ${shown.at(-1)} s`);
    assert.doesNotMatch(recordingArguments('a.mp4', 64, 64).join(' '), /wallclock/, 'nor does ffmpeg look at that clock');
  });

  it('has a picture that stays for as long as it stayed', async () => {
    const file = join(folder, 'still.mp4');
    const { recording } = record(file);
    recording.show({ jpeg: red, frame: {} });
    await pause(2000);
    await recording.finish();
    const { playable } = await lengthOf(file);
    assert.ok(playable > 1.8, `${playable} of 2 s`);
  });

  it('of 1024 pixels is whole after an ordinary stop, with every picture', async () => {
    const file = join(folder, 'large.mp4');
    const large = await Promise.all(
      Array.from({ length: 4 }, async (_, k) => {
        const noise = { type: 'gaussian' as const, mean: 128, sigma: 20 + k };
        return sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#888', noise } })
          .jpeg({ quality: 90 })
          .toBuffer();
      }),
    );
    const { recording, errors, leftOut } = record(file);
    for (let k = 0; k < 12; k++) {
      recording.show({ jpeg: large[k % 4], frame: {} });
      await pause(250);
    }
    await recording.finish();
    assert.deepEqual(errors, []);
    const { playable, decoded } = await lengthOf(file);
    const missing = leftOut[0] ?? 0;
    // A busy machine may lack the last ones.
    const least = missing === 0 ? 2.7 : 1;
    assert.ok(decoded >= 12 - missing && playable > least, `${decoded} pictures, ${playable} s, ${missing} said to be missing`);
  });

  it('says so when ffmpeg has to be ended by force, and the file can be played up to there', async () => {
    const file = join(folder, 'stopped.mp4');
    const { recording, errors } = record(file, 'ffmpeg', { ...LIMITS, endMs: 2000 });
    const playable = (): Promise<number> =>
      lengthOf(file).then(
        (length) => length.playable,
        () => 0,
      );
    const source = setInterval(() => recording.show({ jpeg: red, frame: {} }), 100);
    try {
      await eventually(async () => (await playable()) > 0.9);
    } finally {
      clearInterval(source);
    }
    const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
    const ffmpeg = parseInt(stdout.split('\n').find((line) => line.includes(file)) ?? '', 10);
    process.kill(ffmpeg, 'SIGSTOP');
    const began = performance.now();
    await recording.finish();
    assert.ok(performance.now() - began < 20_000, 'there is an end to it');
    assert.equal(errors[0]?.code, 'EDISK');
    assert.match(errors[0].message, /stopped\.mp4 ended: ffmpeg made no progress for 2 s and was killed/);
    assert.ok((await playable()) > 0.9);
  });

  it('says how many pictures it lacks where ffmpeg is too slow', async () => {
    const slow = join(folder, 'slow');
    await writeFile(slow, '#!/bin/sh\nhead -c 100000 >/dev/null\nsleep 3\nexec cat >/dev/null\n');
    await chmod(slow, 0o755);
    const { recording, leftOut } = record(join(folder, 'slow.mp4'), slow);
    const large = Buffer.concat([red, Buffer.alloc(200_000)]);
    for (let k = 0; k < 20; k++) {
      recording.show({ jpeg: large, frame: {} });
      await pause(100);
    }
    await recording.finish();
    assert.equal(leftOut.length, 1);
    assert.ok(leftOut[0] > 0 && leftOut[0] < 20, String(leftOut));
  });

  it('without ffmpeg fails once', async () => {
    const { recording, errors } = record(join(folder, 'none.mp4'), '/nowhere/ffmpeg');
    recording.show({ jpeg: red, frame: {} });
    await until(() => errors.length > 0);
    await recording.finish();
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['ESOURCE'],
    );
  });
});
