import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../errors';
import { onDisk } from './disk';

/**
 * Does `work` while no other process does: a file with the process's number stands for it. One that a killed process
 * left behind does not count. Rejects with EBADPARAM while another one works.
 */
export async function withLock<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  await onDisk(() => mkdir(dirname(path), { recursive: true }));
  if (!(await take(path))) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (isAlive(owner)) {
      throw new EngineError('EBADPARAM', `process ${owner} is at work on ${what}; wait for it (if there is no such work, delete ${path})`);
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
    // Signal 0 only asks.
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // It is there, and belongs to somebody else.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
