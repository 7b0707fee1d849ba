import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../errors';
import { onDisk } from './disk';

/**
 * Does `work` unless another process is doing it; the lock is a file with the process's id. A lock left by a killed process
 * does not count. Rejects with EBADPARAM while another process holds it.
 */
export async function withLock<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  await onDisk(() => mkdir(dirname(path), { recursive: true }));
  if (!(await take(path))) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (isAlive(owner)) {
      throw new EngineError('EBADPARAM', `process ${owner} is working on ${what}; wait for it (if that is not so, delete ${path})`);
    }
    await rm(path, { force: true });
    if (!(await take(path))) throw new EngineError('EBADPARAM', `another process has just begun with ${what}; wait for it`);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  return onDisk(async () => {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return true;
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false;
      throw thrown;
    }
  });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    // Signal 0 only tests whether the process exists.
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // The process exists and belongs to another user.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
