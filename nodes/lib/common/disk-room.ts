import { statfs } from 'node:fs/promises';

/**
 * What keeps a file from being written to this folder's disk, in words; nothing where the room cannot be asked for.
 * @param minFree what the disk is to keep free, bytes
 */
export async function lackOfRoom(folder: string, minFree: number): Promise<string | undefined> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize < minFree ? `the disk has less than ${minFree / 1e9} GB left` : undefined;
}
