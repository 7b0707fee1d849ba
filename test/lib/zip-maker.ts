import { deflateRawSync, gzipSync } from 'node:zlib';

/** A zip archive of these files, like a wheel: deflated, with a directory at the end. */
export function makeZip(files: Record<string, Buffer>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const packed = deflateRawSync(content);
    const local = header(
      30,
      0x04034b50,
      [
        [8, 8],
        [26, name.length],
      ],
      [
        [18, packed.length],
        [22, content.length],
      ],
    );
    const entry = header(
      46,
      0x02014b50,
      [
        [10, 8],
        [28, name.length],
      ],
      [
        [16, gzipSync(content).readUInt32LE(gzipSync(content).length - 8)], // gzip ends with the same checksum
        [20, packed.length],
        [24, content.length],
        [42, at],
      ],
    );
    bodies.push(local, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const { length } = Buffer.concat(directory);
  const end = header(
    22,
    0x06054b50,
    [
      [8, Object.keys(files).length],
      [10, Object.keys(files).length],
    ],
    [
      [12, length],
      [16, at],
    ],
  );
  return Buffer.concat([...bodies, ...directory, end]);
}

function header(length: number, signature: number, shorts: [number, number][], longs: [number, number][]): Buffer {
  const buffer = Buffer.alloc(length);
  buffer.writeUInt32LE(signature, 0);
  for (const [at, value] of shorts) buffer.writeUInt16LE(value, at);
  for (const [at, value] of longs) buffer.writeUInt32LE(value, at);
  return buffer;
}
