import { mkdir, statfs } from 'node:fs/promises';
import { EngineError } from '../errors';

/** The room that a download leaves free, bytes. */
const MARGIN_BYTES = 64 * 1024 * 1024;

/** Does something with files; rejects with EDISK, which says what to do, when the system refuses. */
export async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw diskError(thrown);
  }
}

/**
 * Creates a folder, and rejects with EDISK unless its disk has room.
 *
 * @param bytes the number still to be written
 */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await onDisk(async () => {
    await mkdir(folder, { recursive: true });
    return statfs(folder);
  });
  const free = bavail * bsize;
  if (bytes === 0 || free >= bytes + MARGIN_BYTES) return;
  const megabytes = (value: number): string => `${Math.ceil(value / 1e6)} MB`;
  const [has, needs] = [megabytes(free), megabytes(bytes + MARGIN_BYTES)];
  throw new EngineError('EDISK', `${folder} has ${has} free, and ${needs} are needed; make room, or choose another folder`);
}

/** An error of the file system as EDISK; any other error unchanged. */
function diskError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !('syscall' in thrown) || !('code' in thrown)) return thrown;
  const advice: Partial<Record<string, string>> = {
    ENOSPC: 'the disk is full; make room and start again: it resumes where it stopped',
    EDQUOT: 'the quota is used up; make room and start again: it resumes where it stopped',
    EACCES: 'this user may not write there; choose another folder',
    EPERM: 'this user may not write there; choose another folder',
    EROFS: 'the disk is read-only; choose another folder',
  };
  return new EngineError('EDISK', advice[String(thrown.code)] ? `${thrown.message}: ${advice[String(thrown.code)]}` : thrown.message, {
    cause: thrown,
  });
}
