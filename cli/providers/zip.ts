import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { EngineError } from '../../engine/errors';

/** A file in a zip archive, such as a Python wheel or a NuGet package. */
export interface ZipEntry {
  name: string;
  /** The unpacked size, bytes. */
  size: number;
  packed: number;
  isDeflated: boolean;
  /** The CRC-32 of the unpacked content. */
  checksum: number;
  /** The position of its header. */
  at: number;
}

const END = 0x06054b50;
const DIRECTORY = 0x02014b50;
/** The length of an archive's end record with the longest comment, bytes. */
const LONGEST_END = 22 + 0xffff;
const LARGEST_DIRECTORY = 2 ** 26;

/** The entries of an archive. Rejects with EBADPARAM when the file is not an archive. Archives beyond 4 GB are not supported. */
export async function listZip(path: string): Promise<ZipEntry[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, Math.max(0, size - LONGEST_END), Math.min(size, LONGEST_END));
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (end < 0 || end + 22 > tail.length || tail.readUInt32LE(end) !== END) throw damaged(path);
    const length = tail.readUInt32LE(end + 12);
    if (length > LARGEST_DIRECTORY) throw damaged(path);
    return entriesIn(await readAt(file, tail.readUInt32LE(end + 16), length), path);
  } finally {
    await file.close();
  }
}

/** Writes one file of an archive. Rejects with EBADPARAM when the archive is damaged. */
export async function unpack(path: string, entry: ZipEntry, to: string): Promise<void> {
  const file = await open(path);
  const header = await readAt(file, entry.at, 30).finally(() => file.close());
  const start = entry.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  let written = 0;
  let checksum = 0;
  const count = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      written += chunk.length;
      checksum = crc32(chunk, checksum);
      done(written > entry.size ? damaged(path) : null, chunk);
    },
  });
  const packed = createReadStream(path, { start, end: start + entry.packed - 1 });
  try {
    await pipeline(packed, entry.isDeflated ? createInflateRaw() : new PassThrough(), count, createWriteStream(to));
  } catch (thrown) {
    throw thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('Z_') ? damaged(path) : thrown;
  }
  if (written !== entry.size || checksum !== entry.checksum) throw damaged(path);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** The checksum of zip archives; Node.js has it from 20.15 on. */
function crc32(bytes: Uint8Array, before: number): number {
  let value = ~before;
  for (let k = 0; k < bytes.length; k++) value = CRC_TABLE[(value ^ bytes[k]) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

function entriesIn(directory: Buffer, path: string): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== DIRECTORY) throw damaged(path);
    const [name, extra, comment] = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
    entries.push({
      name: directory.toString('utf8', at + 46, at + 46 + name),
      size: directory.readUInt32LE(at + 24),
      packed: directory.readUInt32LE(at + 20),
      isDeflated: directory.readUInt16LE(at + 10) === 8,
      checksum: directory.readUInt32LE(at + 16),
      at: directory.readUInt32LE(at + 42),
    });
    at += 46 + name + extra + comment;
  }
  return entries;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function damaged(path: string): EngineError {
  return new EngineError('EBADPARAM', `${path} is not a whole zip archive, as wheels and NuGet packages are`);
}
