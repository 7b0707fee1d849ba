import assert from 'node:assert/strict';
import sharp, { type Metadata } from 'sharp';
import { decode, encode, thumbnail } from '../../../engine/image/codec';
import { toPicture, type Picture } from '../../../engine/image/picture';
import type { RawImage } from '../../../engine/types';
import { hugePng } from '../../lib/huge-png';
import { processorMs } from '../../lib/strain';

/** Left half red, right half blue. */
const halves = (width: number, height: number): Buffer =>
  Buffer.from(Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? [255, 0, 0] : [0, 0, 255])).flat());
const sharpHalves = (width: number, height: number) => sharp(halves(width, height), { raw: { width, height, channels: 3 } });

const pixel = ({ data, width }: RawImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];
function near(got: number[], expected: number[], tolerance = 8): void {
  assert.ok(
    got.every((value, i) => Math.abs(value - expected[i]) <= tolerance),
    `${got} is not ${expected}`,
  );
}
const [red, blue, black] = [
  [255, 0, 0],
  [0, 0, 255],
  [0, 0, 0],
];

describe('codec', () => {
  for (const format of ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const) {
    it(`decodes ${format.toUpperCase()} to RGB of the wanted size`, async () => {
      const image = await decode(toPicture(await sharpHalves(64, 64).toFormat(format).toBuffer()), 32, 32);
      assert.deepEqual([image.width, image.height, image.channels, image.data.length], [32, 32, 3, 32 * 32 * 3]);
      near(pixel(image, 4, 16), red, 12);
      near(pixel(image, 28, 16), blue, 12);
    });
  }

  it('gives memory that can be moved to another thread', async () => {
    const { data } = await decode(toPicture(await sharpHalves(64, 64).jpeg().toBuffer()), 32, 32);
    assert.equal(data.buffer.byteLength, data.byteLength, 'nothing else is in it');
    assert.notEqual(data.slice().buffer, data.buffer, 'a slice of it is a copy');
    const moved = structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
    assert.deepEqual([moved.length, data.length], [32 * 32 * 3, 0]);
  });

  it('gives memory that is freed again', async () => {
    const picture = toPicture(await sharpHalves(64, 64).jpeg().toBuffer());
    const [side, count] = [512, 400];
    const decodeSome = async (): Promise<number> => {
      for (let k = 0; k < count / 2; k++) await decode(picture, side, side);
      return process.memoryUsage().rss;
    };
    const grown = (await decodeSome().then(async (before) => (await decodeSome()) - before)) / (side * side * 3 * (count / 2));
    assert.ok(grown < 0.5, `${(100 * grown).toFixed(0)} % of what was decoded is still held`);
  });

  it('crops to cover, or borders, or stretches', async () => {
    const wide = toPicture(await sharpHalves(64, 16).png().toBuffer());
    const cover = await decode(wide, 16, 16);
    near(pixel(cover, 2, 2), red);
    near(pixel(cover, 13, 13), blue);
    const contain = await decode(wide, 16, 16, 'contain');
    near(pixel(contain, 8, 1), black);
    near(pixel(contain, 2, 8), red);
    near(pixel(contain, 13, 8), blue);
    const fill = await decode(wide, 16, 16, 'fill');
    near(pixel(fill, 2, 0), red);
    near(pixel(fill, 13, 15), blue);
  });

  it('turns a picture as its EXIF says', async () => {
    // Orientation 6: to be shown turned right by 90°, so what is left comes to the top.
    const turned = await decode(
      toPicture(await sharpHalves(32, 32).withMetadata({ orientation: 6 }).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer()),
      32,
      32,
    );
    near(pixel(turned, 28, 4), red);
    near(pixel(turned, 4, 28), blue);
  });

  it('puts transparency on black', async () => {
    const background = { r: 255, g: 255, b: 255, alpha: 0.5 };
    const half = await decode(
      toPicture(
        await sharp({ create: { width: 4, height: 4, channels: 4, background } })
          .png()
          .toBuffer(),
      ),
      4,
      4,
    );
    near(pixel(half, 1, 1), [128, 128, 128], 2);
    const data = Buffer.from([255, 0, 0, 0, 255, 0, 0, 255]);
    const raw = await decode(toPicture({ data, width: 2, height: 1, channels: 4 }), 2, 1);
    assert.deepEqual([pixel(raw, 0, 0), pixel(raw, 1, 0)], [black, red]);
  });

  it('makes grey, CMYK and deep pictures RGB', async () => {
    const white = sharp({ create: { width: 8, height: 8, channels: 3, background: 'white' } });
    const kinds: [string, Buffer][] = [
      ['grey', await white.clone().greyscale().png().toBuffer()],
      ['CMYK', await white.clone().toColourspace('cmyk').jpeg().toBuffer()],
      ['16 bit', await white.clone().toColourspace('rgb16').png().toBuffer()],
      ['palette', await white.clone().png({ palette: true }).toBuffer()],
    ];
    for (const [kind, file] of kinds) {
      const image = await decode(toPicture(file), 8, 8);
      assert.equal(image.data.length, 8 * 8 * 3, kind);
      near(pixel(image, 3, 3), [255, 255, 255], 3);
    }
    const grey = await decode(toPicture({ data: Buffer.from([0, 128, 255, 64]), width: 2, height: 2, channels: 1 }), 2, 2);
    assert.deepEqual([...grey.data], [0, 0, 0, 128, 128, 128, 255, 255, 255, 64, 64, 64]);
  });

  it('takes raw RGB of the wanted size as it is, and resizes others', async () => {
    const data = halves(16, 16);
    assert.equal((await decode({ kind: 'raw', data, width: 16, height: 16, channels: 3 }, 16, 16)).data, data);
    near(pixel(await decode({ kind: 'raw', data, width: 16, height: 16, channels: 3 }, 8, 8), 1, 1), red);
  });

  it('shows the first picture of an animation', async () => {
    const frames = await sharp(
      [
        await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
          .png()
          .toBuffer(),
        await sharp({ create: { width: 8, height: 8, channels: 3, background: 'blue' } })
          .png()
          .toBuffer(),
      ],
      { join: { animated: true } },
    )
      .gif()
      .toBuffer();
    near(pixel(await decode(toPicture(frames), 8, 8), 4, 4), red);
  });

  describe('refuses', () => {
    const refuses = (picture: Picture, message: RegExp) => assert.rejects(decode(picture, 64, 64), { code: 'EBADFRAME', message });

    for (const format of ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const) {
      it(`a torn ${format.toUpperCase()}, wherever it ends`, async () => {
        const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 31) % 251));
        const file = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
          .toFormat(format)
          .toBuffer();
        for (const part of [0.02, 0.1, 0.5, 0.9]) {
          const torn = file.subarray(0, Math.max(16, Math.floor(file.length * part)));
          await refuses({ kind: 'encoded', data: torn }, /^the picture cannot be decoded: [^\n]+$/);
        }
        assert.equal((await decode(toPicture(file), 8, 8)).data.length, 192, 'the whole one is good');
      });
    }

    it('no JPEG for stray bytes in it, as some cameras send them', async () => {
      const file = await sharpHalves(64, 64).jpeg().toBuffer();
      const end = 4 + file.readUInt16BE(4);
      const stray = Buffer.concat([file.subarray(0, end), Buffer.from([1, 2, 3, 4]), file.subarray(end), Buffer.alloc(100)]);
      near(pixel(await decode(toPicture(stray), 32, 32), 4, 16), red, 12);
    });

    it('a file that only begins like a picture', async () => {
      await refuses(toPicture(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(500, 65)])), /cannot be decoded/);
    });

    it('a PNG of 20,000 × 20,000 pixels, at once', async () => {
      const huge = hugePng(20000, 20000);
      assert.equal((await sharp(huge, { limitInputPixels: false }).metadata()).height, 20000);
      const started = processorMs();
      await refuses(toPicture(huge), /64 megapixels/);
      assert.ok(processorMs() - started < 500);
    });
  });

  it('encodes JPEG by quality and PNG without loss', async () => {
    const image: RawImage = { data: halves(32, 32), width: 32, height: 32, channels: 3 };
    const [good, poor, png] = [await encode(image, 'jpeg', 95), await encode(image, 'jpeg', 20), await encode(image, 'png')];
    const facts = async (file: Buffer): Promise<Partial<Metadata>> => sharp(file).metadata();
    for (const [file, format] of [
      [good, 'jpeg'],
      [poor, 'jpeg'],
      [png, 'png'],
    ] as const) {
      const { width, height, format: got } = await facts(file);
      assert.deepEqual([width, height, got], [32, 32, format]);
    }
    assert.ok(poor.length < good.length);
    await assert.rejects(encode(image, 'jpeg', 101), { code: 'EBADPARAM', message: /101/ });
    assert.deepEqual((await decode(toPicture(png), 32, 32)).data, new Uint8Array(image.data));
    near(pixel(await decode(toPicture(good), 32, 32), 4, 4), red, 12);
  });

  it('makes thumbnails in -1..1 that tell pictures apart', async () => {
    const same = await thumbnail(toPicture(await sharpHalves(128, 64).jpeg().toBuffer()));
    assert.equal(same.length, 32 * 32 * 3);
    near([...same.subarray(0, 3)], [1, -1, -1], 0.1);
    near([...same.subarray(31 * 3, 31 * 3 + 3)], [-1, -1, 1], 0.1);
    assert.equal((await thumbnail(toPicture({ data: Buffer.alloc(27), width: 3, height: 3 }), 8)).length, 8 * 8 * 3);
    await assert.rejects(thumbnail({ kind: 'encoded', data: Buffer.from('nothing') }), { code: 'EBADFRAME' });
  });
});
