import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a regular file for reading. Anything else is refused at once: a pipe that nobody writes to, opened in the usual way,
 * would block one of the few threads that Node.js reads files with for ever.
 *
 * Rejects as node:fs does; with code EINVAL where it is not a regular file.
 */
export async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if ((await file.stat()).isFile()) return file;
    throw Object.assign(new Error(`${path} is not a regular file`), { code: 'EINVAL' });
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

/**
 * Reads a regular file of at most `most` bytes.
 *
 * Rejects as {@link openRegular} does; with code EFBIG where it is larger.
 */
export async function readBounded(path: string, most: number): Promise<Buffer> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    if (size > most) throw Object.assign(new Error(`${path} has ${size} bytes, of at most ${most}`), { code: 'EFBIG' });
    // Files of /proc have no size, and others may grow: reading one byte more shows it.
    const buffer = Buffer.alloc(Math.min(most, Math.max(size, 4096)) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) return buffer.subarray(0, length);
      length += bytesRead;
    }
    throw Object.assign(new Error(`${path} has more than ${length - 1} bytes, of at most ${most}`), { code: 'EFBIG' });
  } finally {
    await file.close();
  }
}
