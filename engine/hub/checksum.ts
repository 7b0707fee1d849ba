import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { RepositoryFile } from './repository';

/** A hash to which the content of the file is still to be given. */
export function startChecksum({ bytes, checksum }: RepositoryFile): Hash {
  if (checksum.algorithm === 'sha256') return createHash('sha256');
  // Git names a content by the sha1 of a header and the content.
  return createHash('sha1').update(`blob ${bytes}\0`);
}

/** Gives what is in a file on disk to a hash. */
export async function addFile(hash: Hash, path: string, onBytes?: (bytes: number) => void, signal?: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(chunk as Buffer);
    onBytes?.((chunk as Buffer).length);
  }
}

/** Whether a file on disk has the content that the repository announces; false when there is none. */
export async function hasContent(path: string, file: RepositoryFile, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== file.bytes) return false;
  const hash = startChecksum(file);
  await addFile(hash, path, undefined, signal);
  return hash.digest('hex') === file.checksum.digest;
}
