import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import { isSamePicture, type Picture, toPicture } from '../../../engine/image/picture';

const create = { width: 8, height: 4, channels: 3 as const, background: 'teal' };
const refused = (payload: unknown, message: RegExp): void =>
  assert.throws(() => toPicture(payload), { code: 'EBADFRAME', message });

describe('the same picture', () => {
  it('has the same bytes and the same layout', () => {
    const raw = (value: number, width: number): Picture => ({ kind: 'raw', data: new Uint8Array(24).fill(value), width, height: 24 / 3 / width, channels: 3 });
    const file = (value: number): Picture => ({ kind: 'encoded', data: new Uint8Array(24).fill(value) });
    assert.ok(isSamePicture(raw(1, 2), raw(1, 2)) && isSamePicture(file(1), file(1)));
    for (const [a, b] of [[raw(1, 2), raw(2, 2)], [raw(1, 2), raw(1, 4)], [file(1), file(2)], [raw(1, 2), file(1)]]) assert.ok(!isSamePicture(a, b));
  });
});

describe('what counts as a picture', () => {
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
    for (const text of [
      file.toString('base64'),
      file.toString('base64url'),
      `data:image/png;base64,${file.toString('base64')}`,
    ]) {
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

  describe('and what does not', () => {
    it('nothing, numbers, truth, lists, objects of other kinds', () => {
      for (const payload of [undefined, null, 42, true, [1, 2], {}, { width: 8, height: 4 }, () => 1, new Float32Array(96)])
        refused(payload, /^no picture: .*wanted is a Buffer/);
    });

    it('empty and unknown Buffers', () => {
      refused(Buffer.alloc(0), /empty Buffer/);
      refused(Buffer.from('hello, this is text'), /none of JPEG, PNG/);
      refused(Buffer.from('%PDF-1.7 ...'), /none of JPEG, PNG/);
      refused(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /none of JPEG, PNG/);
    });

    it('texts, paths and URLs: they are never opened', () => {
      for (const text of ['hello', '', '/etc/hostname', 'https://example.com/a.png', __filename])
        refused(text, /never a path or URL/);
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

    it('pictures beyond the limits', () => {
      const jpeg = Buffer.alloc(64 * 1024 * 1024 + 1);
      jpeg.set([0xff, 0xd8, 0xff]);
      refused(jpeg, /limit of 64 MiB/);
      refused('A'.repeat(90 * 1024 * 1024), /limit/);
      refused({ data: Buffer.alloc(1), width: 20000, height: 20000, channels: 3 }, /64 megapixels/);
    });
  });
});
