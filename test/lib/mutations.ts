import sharp from 'sharp';
import type { Dice } from './dice';

/** A picture in each accepted format. */
export async function originals(): Promise<Buffer[]> {
  const pixels = Buffer.from(Uint8Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * 7) % 251));
  const picture = (): sharp.Sharp => sharp(pixels, { raw: { width: 48, height: 40, channels: 3 } });
  return Promise.all(
    [
      picture().jpeg(),
      picture().jpeg({ progressive: true }),
      picture().png(),
      picture().webp(),
      picture().gif(),
      picture().tiff(),
      picture().avif({ effort: 0 }),
    ].map((each) => each.toBuffer()),
  );
}

/** A damaged file: mostly at its beginning, where sizes and types are. */
export function mutate(file: Buffer, dice: Dice, others: readonly Buffer[]): Buffer {
  const data = Buffer.from(file);
  const at = (): number => dice.below(dice.below(2) ? Math.min(96, data.length) : data.length);
  switch (dice.below(8)) {
    case 0:
      return data.subarray(0, at());
    case 1:
      for (let k = dice.below(8); k >= 0; k--) data[at()] ^= 1 << dice.below(8);
      return data;
    case 2:
      for (let k = dice.below(4); k >= 0; k--) data[at()] = dice.one([0, 1, 0x7f, 0x80, 0xff]);
      return data;
    case 3: {
      // Lengths and sizes are integers of two or four bytes.
      const place = dice.below(Math.max(1, Math.min(120, data.length) - 4));
      if (dice.below(2)) data.writeUInt32BE(dice.one([0, 1, 0x7fffffff, 0xffffffff, 0x10000]), place);
      else data.writeUInt32LE(dice.one([0, 1, 0x7fffffff, 0xffffffff, 0x10000]), place);
      return data;
    }
    case 4: {
      const [from, to] = [at(), at()].sort((a, b) => a - b);
      return Buffer.concat([data.subarray(0, to), data.subarray(from)]);
    }
    case 5: {
      const [from, to] = [at(), at()].sort((a, b) => a - b);
      return Buffer.concat([data.subarray(0, from), data.subarray(to)]);
    }
    case 6:
      return Buffer.concat([data.subarray(0, at()), dice.one(others).subarray(at())]);
    default:
      return Buffer.concat([data, Buffer.alloc(dice.below(4096), dice.below(256))]);
  }
}
