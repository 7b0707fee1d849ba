import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { RepositoryFile } from './repository';

/** Starts a hash; the content of the file must still be added. */
export function startChecksum({ bytes, checksum }: RepositoryFile): Hash {
  if (checksum.algorithm === 'sha256') return createHash('sha256');
  // Git names content by the sha1 of a header followed by the content.
  return createHash('sha1').update(`blob ${bytes}\0`);
}

/** Adds the content of a file on disk to a hash. */
export async function addFile(hash: Hash, path: string, onBytes?: (bytes: number) => void, signal?: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(chunk as Buffer);
    onBytes?.((chunk as Buffer).length);
  }
}

/** Whether a file on disk has the content that the repository announces; false when there is no such file. */
export async function hasContent(path: string, file: RepositoryFile, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== file.bytes) return false;
  const hash = startChecksum(file);
  await addFile(hash, path, undefined, signal);
  return hash.digest('hex') === file.checksum.digest;
}
