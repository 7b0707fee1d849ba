import assert from 'node:assert/strict';
import { processorMs } from '../../lib/strain';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import { decode, thumbnail, toJpeg } from '../../../engine/image/codec';
import { isSamePicture, type Picture, toPicture } from '../../../engine/image/picture';
import { sampleThumbnail } from '../../../engine/image/pixels';

const create = { width: 8, height: 4, channels: 3 as const, background: 'teal' };
const refused = (payload: unknown, message: RegExp): void => assert.throws(() => toPicture(payload), { code: 'EBADFRAME', message });

describe('the same picture', () => {
  it('has the same bytes and the same layout', () => {
    const raw = (value: number, width: number): Picture => ({
      kind: 'raw',
      data: new Uint8Array(24).fill(value),
      width,
      height: 24 / 3 / width,
      channels: 3,
    });
    const file = (value: number): Picture => ({ kind: 'encoded', data: new Uint8Array(24).fill(value) });
    assert.ok(isSamePicture(raw(1, 2), raw(1, 2)) && isSamePicture(file(1), file(1)));
    for (const [a, b] of [
      [raw(1, 2), raw(2, 2)],
      [raw(1, 2), raw(1, 4)],
      [file(1), file(2)],
      [raw(1, 2), file(1)],
    ])
      assert.ok(!isSamePicture(a, b));
  });
});

describe('what counts as a picture', () => {
  const files: Record<'jpeg' | 'png', Buffer> = { jpeg: Buffer.alloc(0), png: Buffer.alloc(0) };
  before(async () => {
    files.jpeg = await sharp({ create }).jpeg().toBuffer();
    files.png = await sharp({ create }).png().toBuffer();
  });

  for (const format of ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const) {
    it(`a Buffer with ${format.toUpperCase()}, not copied`, async () => {
      const file = await sharp({ create }).toFormat(format).toBuffer();
      const picture = toPicture(file);
      assert.equal(picture.kind, 'encoded');
      assert.equal(picture.data, file);
      assert.deepEqual(Buffer.from(toPicture(new Uint8Array(file)).data), file);
    });
  }

  it('a picture as base64 or data URI', async () => {
    const file = await sharp({ create }).png().toBuffer();
    for (const text of [file.toString('base64'), file.toString('base64url'), `data:image/png;base64,${file.toString('base64')}`]) {
      const picture = toPicture(text);
      assert.equal(picture.kind, 'encoded');
      assert.deepEqual(picture.data, file);
    }
  });

  it('raw pixels of 1, 3 or 4 channels', () => {
    for (const channels of [1, 3, 4]) {
      const data = Buffer.alloc(8 * 4 * channels);
      const picture = { kind: 'raw', data, width: 8, height: 4, channels };
      assert.deepEqual(toPicture({ data, width: 8, height: 4, channels, colorSpace: 'srgb' }), picture);
      assert.deepEqual(toPicture({ data, width: 8, height: 4 }), picture, 'channels follow from the length');
    }
    const clamped = new Uint8ClampedArray(8 * 4 * 4).fill(9);
    const fromCanvas = toPicture({ data: clamped, width: 8, height: 4 });
    assert.deepEqual([fromCanvas.data.buffer === clamped.buffer, fromCanvas.data[0]], [true, 9]);
  });

  it('what a function node makes, in a context of its own', async () => {
    const file = await sharp({ create }).png().toBuffer();
    const foreign: unknown = runInNewContext('Uint8Array.from(bytes)', { bytes: [...file] });
    assert.ok(!(foreign instanceof Uint8Array));
    const { data } = toPicture(foreign);
    assert.ok(data instanceof Uint8Array);
    assert.deepEqual(Buffer.from(data), file);
    for (const kind of ['Uint8Array', 'Uint8ClampedArray']) {
      const raw = toPicture(runInNewContext(`({ data: new ${kind}(96).fill(7), width: 8, height: 4 })`));
      assert.ok(raw.data instanceof Uint8Array);
      assert.deepEqual([raw.data.length, raw.data[95]], [96, 7]);
    }
  });

  it("Jimp's bitmap, which is RGBA", () => {
    const data = Buffer.alloc(8 * 4 * 4);
    assert.deepEqual(toPicture({ bitmap: { data, width: 8, height: 4 }, _quality: 90 }), {
      kind: 'raw',
      data,
      width: 8,
      height: 4,
      channels: 4,
    });
  });

  it('a raw picture as its sender describes it: BGR, grey, in the words of several libraries', async () => {
    const data = Buffer.from([250, 100, 10, 250, 100, 10]);
    const colourOf = async (more: object, bytes = data): Promise<number[]> => {
      const picture = toPicture({ data: bytes, width: 2, height: 1, ...more });
      const { data: rgb } = await decode(picture, 2, 1, 'fill');
      return [...rgb.subarray(0, 3)];
    };
    assert.deepEqual(await colourOf({}), [250, 100, 10]);
    for (const more of [
      { colorSpace: 'RGB' },
      { colourSpace: 'rgb', channels: 3, dtype: 'uint8' },
      { format: 'raw', space: 'srgb', depth: 'uchar' },
      { format: 'jpeg' },
    ])
      assert.deepEqual(await colourOf(more), [250, 100, 10], JSON.stringify(more));
    for (const more of [{ colorSpace: 'BGR' }, { colorspace: 'bgr8', channels: 3 }, { pixelFormat: 'BGR24' }])
      assert.deepEqual(await colourOf(more), [10, 100, 250], JSON.stringify(more));
    const four = Buffer.from([250, 100, 10, 255, 250, 100, 10, 255]);
    assert.deepEqual(await colourOf({ colorSpace: 'BGRA' }, four), [10, 100, 250]);
    assert.deepEqual(await colourOf({ colorSpace: 'RGBA' }, four), [250, 100, 10]);
    assert.deepEqual(await colourOf({ colorModel: 'RGB', channels: 4 }, four), [250, 100, 10]);
    assert.deepEqual(await colourOf({ colorSpace: 'GRAY' }, Buffer.from([7, 9])), [7, 7, 7]);
    // Larger and smaller, and as a file: the colours stay where they are.
    const bgr = toPicture({
      data: Buffer.from(Array.from({ length: 64 }, () => [250, 100, 10]).flat()),
      width: 8,
      height: 8,
      colorSpace: 'BGR',
    });
    assert.deepEqual([...(await decode(bgr, 4, 4)).data.subarray(0, 3)], [10, 100, 250]);
    const { data: again } = await decode(toPicture(await toJpeg(bgr, { quality: 100 })), 8, 8);
    assert.ok(
      [10, 100, 250].every((value, c) => Math.abs(again[c] - value) < 8),
      [...again.subarray(0, 3)].join(),
    );
    const [red, , blue] = sampleThumbnail(bgr as Picture & { kind: 'raw' }, 2);
    assert.ok(red < -0.9 && blue > 0.9);
  });

  it('a Buffer that went through JSON, and a file in pieces', () => {
    const picture = toPicture(JSON.parse(JSON.stringify(files.jpeg)));
    assert.ok(picture.kind === 'encoded' && Buffer.compare(picture.data, files.jpeg) === 0);
    const raw = toPicture(JSON.parse(JSON.stringify({ data: Buffer.alloc(12, 9), width: 2, height: 2 })));
    assert.deepEqual(raw, { kind: 'raw', data: Uint8Array.from(Buffer.alloc(12, 9)), width: 2, height: 2, channels: 3 });
    const joined = toPicture([files.jpeg.subarray(0, 100), files.jpeg.subarray(100, 101), files.jpeg.subarray(101)]);
    assert.equal(Buffer.compare(joined.data, files.jpeg), 0);
  });

  it('the thumbnail of raw pixels is that of the codec, in the main, and as quick for large ones', async () => {
    const [width, height] = [320, 240];
    const data = Buffer.from(Array.from({ length: width * height }, (_, i) => [(i % width) / 2, Math.floor(i / width), 128]).flat());
    const raw = { kind: 'raw' as const, data, width, height, channels: 3 as const };
    const [sampled, exact] = [sampleThumbnail(raw), await thumbnail(raw)];
    assert.ok(sampled.every((value, k) => Math.abs(value - exact[k]) < 0.04));
    const large = { kind: 'raw' as const, data: Buffer.alloc(8000 * 4000 * 4, 255), width: 8000, height: 4000, channels: 4 as const };
    sampleThumbnail(large);
    const began = processorMs();
    const white = sampleThumbnail(large);
    assert.ok(processorMs() - began < 50);
    assert.ok(white.every((value) => Math.abs(value - 1) < 1e-5));
    assert.ok(
      sampleThumbnail({ kind: 'raw', data: Buffer.from([255, 255, 255, 0]), width: 1, height: 1, channels: 4 }).every(
        (value) => value === -1,
      ),
    );
  });

  describe('and what does not', () => {
    it('nothing, numbers, truth, lists, objects of other kinds', () => {
      for (const payload of [undefined, null, 42, true, [1, 2], {}, { width: 8, height: 4 }, () => 1, new Float32Array(96)])
        refused(payload, /^no picture: .*expected a Buffer/);
    });

    it('empty and unknown Buffers', () => {
      refused(Buffer.alloc(0), /empty Buffer/);
      refused(Buffer.from('hello, this is text'), /none of JPEG, PNG/);
      refused(Buffer.from('%PDF-1.7 ...'), /none of JPEG, PNG/);
      refused(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /none of JPEG, PNG/);
    });

    it('texts, paths and URLs: they are never opened', () => {
      for (const text of ['hello', '', '/etc/hostname', 'https://example.com/a.png', __filename]) refused(text, /never a path or URL/);
      refused('data:image/svg+xml,<svg/>', /base64/);
      refused('data:image/png;base64,AAAA', /no picture/);
    });

    it('raw pixels that do not add up', () => {
      const data = Buffer.alloc(96);
      refused({ data, width: 8, height: 5, channels: 3 }, /8×5 with 3 channels has 120 bytes; got 96/);
      refused({ data, width: 8, height: 4, channels: 2 }, /1, 3 or 4 channels; got 2/);
      refused({ data, width: 0, height: 4, channels: 3 }, /whole pixels; got 0 and 4/);
      refused({ data, width: 8.5, height: 4, channels: 3 }, /whole pixels/);
      refused({ data, width: '8', height: 4, channels: 3 }, /whole pixels; got "8"/);
      refused({ data, width: 7, height: 4 }, /channels/);
      refused({ data: [...data], width: 8, height: 4, channels: 3 }, /data of a raw picture.*an array of 96/);
      refused({ data: new Float32Array(96), width: 8, height: 4, channels: 3 }, /data of a raw picture/);
      refused({ bitmap: { width: 8, height: 4 } }, /data of a raw picture/);
    });

    it('raw pixels of a kind that cannot be, by its name', () => {
      const data = Buffer.alloc(96);
      const raw = { data, width: 8, height: 4 };
      for (const colorSpace of ['YUV', 'HSV', 'NV12', 'CMYK', 'ARGB', 'constructor', 'x'.repeat(1e6), 5, {}])
        refused({ ...raw, colorSpace }, /colorSpace must be GRAY, RGB, RGBA, BGR or BGRA; got .{1,90}$/);
      for (const dtype of ['float32', 'uint16', 'float64', 'int8'])
        refused({ ...raw, dtype }, new RegExp(`one byte a channel, 0 to 255 .*got dtype "${dtype}"`));
      refused({ data: Buffer.alloc(128), width: 8, height: 4, dtype: 'float32' }, /dtype "float32"/);
      refused({ ...raw, bitDepth: 16 }, /bitDepth 16/);
      refused({ ...raw, colorSpace: 'GRAY', channels: 3 }, /says two things: colorSpace "GRAY", and channels 3/);
      refused({ ...raw, colorSpace: 'RGB', pixelFormat: 'BGR' }, /says two things/);
      refused({ ...raw, colorSpace: 'RGBA' }, /4 channels has 128 bytes; got 96/);
    });

    it('a list of pictures, or of what is none, and JSON of what are not bytes', () => {
      refused([files.jpeg, files.png], /a list of 2 with 2 pictures; send one after the other/);
      refused([Buffer.from('a'), Buffer.from('b')], /none of JPEG, PNG/);
      refused({ type: 'Buffer', data: [255, 216, 'a'] }, /whole numbers from 0 to 255; number 3 is "a"/);
      refused({ type: 'Buffer', data: [300] }, /number 1 is 300/);
      refused({ type: 'Buffer', data: [] }, /an empty Buffer/);
    });

    it('pictures beyond the limits', () => {
      const jpeg = Buffer.alloc(64 * 1024 * 1024 + 1);
      jpeg.set([0xff, 0xd8, 0xff]);
      refused(jpeg, /limit of 64 MiB/);
      refused('A'.repeat(90 * 1024 * 1024), /limit/);
      refused({ data: Buffer.alloc(1), width: 20000, height: 20000, channels: 3 }, /64 megapixels/);
    });
  });
});
