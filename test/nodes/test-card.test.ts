import assert from 'node:assert/strict';
import sharp from 'sharp';
import { testCard } from '../../nodes/lib/source/test-card';

const pixels = (svg: string): Promise<Buffer> => sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer();

/** Mean absolute difference, in steps of 0..255. */
function difference(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

describe('test card', () => {
  it('has the wanted size and fills it', async () => {
    for (const [width, height] of [
      [256, 256],
      [640, 360],
      [90, 160],
    ]) {
      const { data, info } = await sharp(Buffer.from(testCard(1234, width, height)))
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.deepEqual([info.width, info.height], [width, height]);
      if (info.channels === 4) for (let i = 3; i < data.length; i += 4) assert.equal(data[i], 255, 'no pixel is left transparent');
    }
  });

  it('is a pure function of time and size', () => {
    assert.equal(testCard(777, 256, 256), testCard(777, 256, 256));
    assert.notEqual(testCard(777, 256, 256), testCard(817, 256, 256));
  });

  it('moves in every frame of 25 a second, and gently', async () => {
    let last = await pixels(testCard(0, 256, 256));
    for (let frame = 1; frame <= 10; frame++) {
      const next = await pixels(testCard(frame * 40, 256, 256));
      const moved = difference(last, next);
      assert.ok(moved > 0.02 && moved < 3, `frame ${frame} differs by ${moved}`);
      last = next;
    }
  });

  it('keeps the sun and the figure inside the picture for an hour', async () => {
    for (let seconds = 0; seconds < 3600; seconds += 149) {
      const data = await pixels(testCard(seconds * 1000, 64, 64));
      const brightness = Array.from({ length: 64 * 64 }, (_, i) => data[3 * i] + data[3 * i + 1] + data[3 * i + 2]);
      assert.ok(
        brightness.some((value) => value > 680),
        `a bright disc at ${seconds} s`,
      );
      assert.ok(brightness.slice(32 * 64).filter((value) => value < 110).length > 150, `a dark figure at ${seconds} s`);
    }
  });
});
