/** Small files that are made to keep a decoder busy. */

/** A grey progressive JPEG: one scan for the mean brightness, and many that add nothing. */
export function manyScans(width: number, height: number, scans: number): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const size = Buffer.alloc(9);
  size[0] = 8;
  size.writeUInt16BE(height, 1);
  size.writeUInt16BE(width, 3);
  size.set([1, 1, 0x11, 0], 5);
  const nothing = [segment(0xda, [1, 1, 0, 1, 63, 0]), emptyBlocks(blocks)];
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, [0, ...Array<number>(64).fill(1)]),
    segment(0xc2, [...size]),
    segment(0xc4, codeTable(0x00, 0)),
    segment(0xc4, codeTable(0x10, 0xe0)),
    segment(0xda, [1, 1, 0, 0, 0, 0]),
    Buffer.alloc(Math.ceil(blocks / 8)),
    ...Array.from({ length: scans - 1 }, () => nothing).flat(),
    Buffer.from([0xff, 0xd9]),
  ]);
}

export function segment(marker: number, body: number[]): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, Buffer.from(body)]);
}

/** A Huffman table with one code, the bit 0. */
function codeTable(kind: number, symbol: number): number[] {
  return [kind, 1, ...Array<number>(15).fill(0), symbol];
}

/** Runs of up to 32,767 empty blocks: the code, then 14 bits of the run's length. */
function emptyBlocks(blocks: number): Buffer {
  const bits = `0${'1'.repeat(14)}`.repeat(Math.ceil(blocks / 32_767));
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = parseInt(bits.slice(at, at + 8).padEnd(8, '1'), 2);
    bytes.push(byte, ...(byte === 0xff ? [0] : []));
  }
  return Buffer.from(bytes);
}
