import assert from 'node:assert/strict';
import { processorMs } from '../lib/strain';
import sharp from 'sharp';
import { jpegEffort } from '../../engine/image/jpeg-effort';
import { jpegHeader, jpegSize } from '../../engine/image/jpeg-header';
import { Dice } from '../lib/dice';

const COUNT = 10_000;
const SEED = 11;

interface Part {
  marker: number;
  bytes: Buffer;
}

/** The segments of a JPEG's header, and what follows them from the scan on. */
function partsOf(jpeg: Buffer): { header: Part[]; rest: Buffer } {
  const header: Part[] = [];
  for (let at = 2; ; ) {
    const marker = jpeg[at + 1];
    if (marker === 0xda) return { header, rest: jpeg.subarray(at) };
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    header.push({ marker, bytes: jpeg.subarray(at, end) });
    at = end;
  }
}

/** A segment that says nothing of the picture: a comment, or of an application. */
function filling(dice: Dice): Part {
  const marker = [0xfe, 0xe2, 0xe5, 0xed][dice.below(4)];
  const content = Buffer.from(Array.from({ length: dice.below(300) }, () => dice.below(256)));
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return { marker, bytes: Buffer.concat([head, content]) };
}

/** What the standard allows: fill bytes before markers, and segments of others anywhere before the scan. */
function legalOddity({ header, rest }: ReturnType<typeof partsOf>, dice: Dice): Buffer {
  const odd = [...header];
  for (let k = dice.below(5); k > 0; k--) odd.splice(dice.below(odd.length + 1), 0, filling(dice));
  const fill = (): Buffer => Buffer.alloc(dice.below(3) === 0 ? dice.below(9) : 0, 0xff);
  return Buffer.concat([Buffer.from([0xff, 0xd8]), ...odd.flatMap(({ bytes }) => [fill(), bytes]), fill(), rest]);
}

function damage(jpeg: Buffer, dice: Dice): Buffer {
  const torn = Buffer.from(jpeg.subarray(0, 1 + dice.below(jpeg.length)));
  for (let k = dice.below(8); k > 0; k--) torn[dice.below(torn.length)] = dice.below(256);
  return torn;
}

describe('headers of JPEGs', () => {
  const originals: { width: number; height: number; orientation: number; jpeg: Buffer; parts: ReturnType<typeof partsOf> }[] = [];
  before(async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      for (const [width, height] of [
        [17, 40],
        [640, 9],
      ]) {
        const plain = sharp({ create: { width, height, channels: 3, background: '#345' } });
        const jpeg = await plain
          .withMetadata({ orientation })
          .jpeg({ progressive: orientation % 2 === 0 })
          .toBuffer();
        originals.push({ width, height, orientation, jpeg, parts: partsOf(jpeg) });
      }
    }
  });

  it(`with legal oddities say their size and orientation, in ${COUNT} of ${COUNT} (seed ${SEED})`, () => {
    const dice = new Dice(SEED);
    for (let k = 0; k < COUNT; k++) {
      const { width, height, orientation, parts } = originals[dice.below(originals.length)];
      const odd = legalOddity(parts, dice);
      assert.deepEqual(jpegHeader(odd), { width, height, orientation }, `number ${k}`);
      assert.deepEqual(jpegSize(odd), orientation > 4 ? { width: height, height: width } : { width, height }, `number ${k}`);
      assert.ok((jpegEffort(odd)?.scans ?? 0) >= 1, `number ${k}`);
    }
  });

  it(`that are damaged say a size that can be, or nothing, at once, in ${COUNT} of ${COUNT}`, () => {
    const dice = new Dice(SEED);
    let slowest = 0;
    for (let k = 0; k < COUNT; k++) {
      const torn = damage(originals[dice.below(originals.length)].jpeg, dice);
      const began = processorMs();
      const header = jpegHeader(torn);
      jpegEffort(torn);
      slowest = Math.max(slowest, processorMs() - began);
      if (!header) continue;
      const { width, height, orientation } = header;
      assert.ok(
        width > 0 && width <= 65535 && height > 0 && height <= 65535 && orientation >= 1 && orientation <= 8,
        `number ${k}: ${JSON.stringify(header)}`,
      );
    }
    assert.ok(slowest < 500, `${slowest} ms`);
  });
});
