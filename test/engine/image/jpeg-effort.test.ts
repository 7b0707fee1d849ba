import assert from 'node:assert/strict';
import { processorMs } from '../../lib/strain';
import sharp from 'sharp';
import { jpegEffort } from '../../../engine/image/jpeg-effort';
import { isLight, isQuick, toPicture } from '../../../engine/image/picture';
import { hugePng } from '../../lib/huge-png';
import { manyScans } from '../../lib/slow-pictures';

const noise = Buffer.from(Uint8Array.from({ length: 200 * 120 * 3 }, (_, i) => (i * i * 31) % 251));
const picture = (): sharp.Sharp => sharp(noise, { raw: { width: 200, height: 120, channels: 3 } });

describe('the work that a JPEG is', () => {
  it('is one scan over its pixels, as cameras send them, and about ten for a progressive one', async () => {
    assert.deepEqual(jpegEffort(await picture().jpeg().toBuffer()), { width: 200, height: 120, scans: 1 });
    const progressive = jpegEffort(await picture().jpeg({ progressive: true }).toBuffer());
    assert.ok(progressive && progressive.width === 200 && progressive.scans >= 6 && progressive.scans <= 20, JSON.stringify(progressive));
  });

  it('is counted for thousands of scans with nothing in them', () => {
    assert.deepEqual(jpegEffort(manyScans(640, 480, 3000)), { width: 640, height: 480, scans: 3000 });
  });

  it('is found behind fill bytes and stray bytes, and among restart markers', async () => {
    const file = await picture().jpeg({ progressive: true }).toBuffer();
    const { scans } = jpegEffort(file)!;
    const parts: Buffer[] = [file.subarray(0, 2)];
    let at = 2;
    while (file[at + 1] !== 0xda) {
      const end = at + 2 + file.readUInt16BE(at + 2);
      parts.push(Buffer.from([0xff, 0xff, 0xff]), file.subarray(at, end), Buffer.from([1, 2]));
      at = end;
    }
    assert.deepEqual(jpegEffort(Buffer.concat([...parts, file.subarray(at)])), { width: 200, height: 120, scans });
    const restarts = Buffer.concat([file.subarray(0, at + 40), Buffer.from([0xff, 0xd0]), file.subarray(at + 40)]);
    assert.equal(jpegEffort(restarts)!.scans, scans);
  });

  it('is found in milliseconds, whatever the file is made of', () => {
    const hostile = Buffer.alloc(64 * 1024 * 1024, Buffer.from([0xff, 0]));
    manyScans(8000, 8000, 20).copy(hostile, 0, 0, 1000);
    for (const file of [hostile, manyScans(8000, 8000, 20_000)]) {
      const began = processorMs();
      assert.throws(() => toPicture(file), { code: 'EBADFRAME', message: /in more than 100 scans would keep its decoder busy/ });
      assert.ok(processorMs() - began < 300);
    }
  });

  it('is unknown where there is no header, wherever the file ends', async () => {
    const file = await picture().jpeg({ progressive: true }).toBuffer();
    for (let end = 0; end < 400; end++) assert.ok((jpegEffort(file.subarray(0, end))?.scans ?? 0) <= 1);
    assert.equal(jpegEffort(Buffer.from([0xff, 0xd8, 0xff])), undefined);
    assert.equal(jpegEffort(Buffer.alloc(1000, 0xff)), undefined);
  });

  it('is too much for a file that is made to be', async () => {
    for (const bomb of [manyScans(64, 64, 101), manyScans(8000, 8000, 16), manyScans(1000, 1000, 3000)]) {
      assert.throws(() => toPicture(bomb), { code: 'EBADFRAME', message: /scans would keep its decoder busy/ });
    }
    for (const fine of [manyScans(1000, 1000, 100), manyScans(8000, 8000, 15), await picture().jpeg({ progressive: true }).toBuffer()])
      toPicture(fine);
  });

  it('is little for raw pixels and JPEGs, unless they are large and progressive; of other formats nobody knows', async () => {
    const encoded = async (file: Promise<Buffer>): Promise<boolean> => isQuick(toPicture(await file));
    assert.ok(isQuick({ kind: 'raw', data: noise, width: 200, height: 120, channels: 3 }));
    assert.ok(await encoded(picture().jpeg().toBuffer()));
    assert.ok(await encoded(picture().jpeg({ progressive: true }).toBuffer()));
    assert.ok(!isQuick(toPicture(manyScans(8000, 8000, 10))));
    assert.ok(
      isLight(toPicture(await picture().png().toBuffer())) && !isLight(toPicture(hugePng(4000, 1001))),
      'a small PNG is little more',
    );
    assert.ok(!isLight({ kind: 'encoded', data: Buffer.from([0x89, 0x50, 0x4e, 0x47]) }));
    for (const format of ['png', 'webp', 'gif', 'tiff', 'avif'] as const)
      assert.ok(!(await encoded(picture().toFormat(format).toBuffer())), format);
  });
});
