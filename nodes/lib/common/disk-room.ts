import { statfs } from 'node:fs/promises';

/**
 * Why no file can be written to this folder's disk, in words; undefined where the free space is unknown.
 *
 * @param minFree the space that must stay free, bytes
 */
export async function lackOfRoom(folder: string, minFree: number): Promise<string | undefined> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize < minFree ? `the disk has less than ${minFree / 1e9} GB left` : undefined;
}
