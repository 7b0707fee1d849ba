import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { toJpeg } from '../../../nodes/lib/common/jpeg';
import { jpegHeader, jpegSize } from '../../../engine/image/jpeg-header';
import { JpegSplitter } from '../../../nodes/lib/ffmpeg/jpeg-splitter';
import { Recording } from '../../../nodes/lib/sink/recording';
import { SinkFeed } from '../../../nodes/lib/sink/feed';
import { needFfmpeg } from '../../lib/ffmpeg';

const FILL = Buffer.from([0xff, 0xff, 0xff]);

/** A portrait, red above and blue below, as the camera stores it when it is held like that: turned, with a note about it. */
const portrait = (orientation = 1, options: sharp.JpegOptions = {}): Promise<Buffer> => {
  const turns = { 3: 180, 6: 270, 8: 90 }[orientation] ?? 0;
  const half = (background: string) => ({ create: { width: 48, height: 40, channels: 3 as const, background } });
  return sharp(half('#f00'))
    .extend({ bottom: 40, background: '#00f' })
    .jpeg()
    .toBuffer()
    .then((upright) => sharp(upright).rotate(turns).withMetadata({ orientation }).jpeg(options).toBuffer());
};

/** The same file with fill bytes before each marker of its header. */
function filled(jpeg: Buffer): Buffer {
  const parts = [jpeg.subarray(0, 2)];
  for (let at = 2; ; ) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    const isScan = jpeg[at + 1] === 0xda;
    parts.push(FILL, jpeg.subarray(at, isScan ? undefined : end));
    if (isScan) return Buffer.concat(parts);
    at = end;
  }
}

/** Splits a stream that arrives in pieces of so many bytes. */
function split(stream: Buffer, size: number): string[] {
  const splitter = new JpegSplitter();
  const found: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) found.push(...splitter.push(stream.subarray(at, at + size)));
  return found.map((file) => file.toString('hex'));
}

describe('the header of a JPEG', () => {
  it('tells size and orientation, with fill bytes, stray bytes, progressive, either byte order', async () => {
    for (const orientation of [1, 3, 6, 8]) {
      const jpeg = await portrait(orientation);
      const isTurned = orientation >= 5;
      const wanted = { width: isTurned ? 80 : 48, height: isTurned ? 48 : 80, orientation };
      for (const [what, bytes] of Object.entries({
        plain: jpeg,
        filled: filled(jpeg),
        progressive: await portrait(orientation, { progressive: true }),
      })) {
        assert.deepEqual(jpegHeader(bytes), wanted, `${what} ${orientation}`);
        assert.deepEqual(jpegSize(bytes), { width: 48, height: 80 }, `${what} ${orientation}`);
      }
      const { data, info } = await sharp(filled(jpeg)).autoOrient().toBuffer({ resolveWithObject: true });
      assert.deepEqual([info.width, info.height], [48, 80], `the decoder agrees: ${data.length} bytes`);
    }
    const jpeg = await portrait();
    const stray = Buffer.concat([
      jpeg.subarray(0, 2),
      jpeg.subarray(2, 4 + jpeg.readUInt16BE(4)),
      Buffer.from([0, 7, 0]),
      jpeg.subarray(4 + jpeg.readUInt16BE(4)),
    ]);
    assert.deepEqual(jpegSize(stray), { width: 48, height: 80 });
    const exif = (tiff: string) => {
      const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), Buffer.from(tiff, 'hex')]);
      return Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xe1, 0, body.length + 2]), body, jpeg.subarray(2)]);
    };
    assert.equal(jpegHeader(exif('4d4d002a00000008000101120003000000010006000000000000'))?.orientation, 6);
    assert.equal(jpegHeader(exif('49492a0008000000010012010300010000000600000000000000'))?.orientation, 6);
    assert.equal(jpegHeader(exif('4d4d002a00000008000101120003000000010063000000000000'))?.orientation, 1, 'one that there is not');
    assert.equal(jpegHeader(exif('4d4d002affffffff'))?.orientation, 1, 'a directory that is not there');
  });

  it('is none where there is no size, and reading never throws', async () => {
    const jpeg = await portrait(6);
    for (let length = 0; length < 700; length++) jpegHeader(jpeg.subarray(0, length));
    for (let k = 0; k < 3000; k++) {
      const bytes = Buffer.from(jpeg.subarray(0, 700));
      for (let n = 0; n < 4; n++) bytes[(k * 31 + n * 97) % bytes.length] = (k * 7 + n * 131) & 255;
      jpegHeader(bytes);
    }
    assert.equal(jpegSize(Buffer.from([0xff, 0xd8, 0xff])), undefined);
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    const zero = Buffer.from(jpeg);
    zero.writeUInt16BE(0, frame + 5);
    assert.equal(jpegSize(zero), undefined);
  });

  it('does not keep a file from being found in a stream, whatever is legal in it', async () => {
    const [plain, progressive] = [await portrait(), await portrait(6, { progressive: true })];
    // An end marker, and the start of another file, inside a comment.
    const tricky = Buffer.concat([
      plain.subarray(0, 2),
      Buffer.from([0xff, 0xfe, 0, 8, 0xff, 0xd9, 0xff, 0xd8, 0xff, 0xd9]),
      plain.subarray(2),
    ]);
    const files = [filled(plain), progressive, tricky, filled(progressive), plain];
    for (const size of [1, 2, 7, 333, 100_000]) {
      assert.deepEqual(
        split(Buffer.concat([Buffer.from('noise'), ...files.flatMap((file) => [file, Buffer.from([0xff, 0])])]), size),
        files.map((file) => file.toString('hex')),
        `in pieces of ${size}`,
      );
    }
  });

  it('that breaks off costs its own file and not the next', async () => {
    const jpeg = await portrait();
    const withThumbnail = Buffer.concat([
      jpeg.subarray(0, 2),
      Buffer.from([0xff, 0xe1, ((jpeg.length + 2) >> 8) & 255, (jpeg.length + 2) & 255]),
      jpeg,
      jpeg.subarray(2),
    ]);
    for (const torn of [
      jpeg.subarray(0, jpeg.length - 60),
      jpeg.subarray(0, 2),
      withThumbnail.subarray(0, withThumbnail.length - 30),
      Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0]),
    ]) {
      for (const size of [1, 5, 100_000]) {
        assert.deepEqual(
          split(Buffer.concat([torn, jpeg, jpeg]), size),
          [jpeg, jpeg].map((file) => file.toString('hex')),
          `${torn.length} bytes, in pieces of ${size}`,
        );
      }
    }
  });
});

describe('a JPEG that is not upright', () => {
  it('is shown upright, in pixels; one that is upright stays as it is', async () => {
    const upright = await portrait();
    assert.deepEqual(await toJpeg({ kind: 'encoded', data: upright }, 85), upright);
    assert.deepEqual(await toJpeg({ kind: 'encoded', data: filled(upright) }, 85), filled(upright));
    for (const orientation of [3, 6, 8]) {
      const shown = await toJpeg({ kind: 'encoded', data: await portrait(orientation) }, 85);
      assert.deepEqual(jpegHeader(shown), { width: 48, height: 80, orientation: 1 });
      const { dominant } = await sharp(await sharp(shown).extract({ left: 0, top: 0, width: 48, height: 30 }).png().toBuffer()).stats();
      assert.ok(dominant.r > 200 && dominant.b < 60, `red above, for orientation ${orientation}`);
    }
  });

  it('without a header that can be read is refused by name', async () => {
    await assert.rejects(toJpeg({ kind: 'encoded', data: (await portrait()).subarray(0, 100) }, 85), { code: 'EBADFRAME' });
  });

  it('is recorded in its own size, as is one with fill bytes', async function () {
    const run = promisify(execFile);
    await needFfmpeg.call(this);
    const folder = await mkdtemp(join(tmpdir(), 'header-'));
    try {
      for (const [name, picture] of Object.entries({ portrait: await portrait(6), filled: filled(await portrait()) })) {
        const file = join(folder, `${name}.mp4`);
        const errors: string[] = [];
        const feed = new SinkFeed((error) => errors.push(error.message));
        const recording = new Recording(
          { ffmpeg: 'ffmpeg', file, minFree: 0 },
          { failed: (error) => errors.push(error.message), leftOut: () => undefined },
        );
        await feed.add(recording);
        for (let k = 0; k < 5; k++) {
          feed.show({ kind: 'encoded', data: picture });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        await recording.finish();
        const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', file]);
        assert.deepEqual([stdout.trim(), errors], ['48,80', []], name);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
