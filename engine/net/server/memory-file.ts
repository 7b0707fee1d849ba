import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';

/** The folder of POSIX shared memory on Linux, in memory (tmpfs): the region /NAME is the file NAME in it. */
export const MEMORY_FOLDER = '/dev/shm';
const PREFIX = 'streamdiffusion';
/** Zeros are written in pieces of this many bytes. */
const PIECE = 2 ** 20;
/** A file of a process that cannot be seen from here counts as orphaned after this time without a change, ms. */
const OLD = 24 * 3600_000;

/** The names of this thread's files that are in use. */
const inUse = new Set<string>();

/**
 * A file in memory that another process maps. Reading and writing it at a position is a copy in memory, and each process
 * sees what the other has written.
 */
export class MemoryFile {
  private constructor(
    readonly name: string,
    readonly length: number,
    private readonly descriptor: number,
  ) {}

  /**
   * Creates a file whose length never changes, with all of its memory taken at once: a process would crash if a file that it
   * has mapped became shorter, or if it wrote to one for which there is no memory left.
   *
   * @throws as node:fs does, ENOSPC where there is no room
   */
  static create(length: number): MemoryFile {
    const name = `${PREFIX}-${owner()}-${randomBytes(8).toString('hex')}`;
    const path = join(MEMORY_FOLDER, name);
    // Only this user may read it: it holds pictures.
    const descriptor = openSync(path, 'wx+', 0o600);
    inUse.add(name);
    const file = new MemoryFile(name, length, descriptor);
    try {
      const zeros = Buffer.alloc(Math.min(PIECE, length));
      for (let at = 0; at < length; at += PIECE) file.write(zeros.subarray(0, Math.min(PIECE, length - at)), at);
      return file;
    } catch (thrown) {
      file.unlink();
      file.close();
      throw thrown;
    }
  }

  /** @throws ENOSPC where not all of it can be written */
  write(bytes: Uint8Array, at: number): void {
    if (writeSync(this.descriptor, bytes, 0, bytes.length, at) === bytes.length) return;
    throw Object.assign(new Error(`no room in ${MEMORY_FOLDER}`), { code: 'ENOSPC' });
  }

  read(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const count = readSync(this.descriptor, bytes, 0, length, at);
    if (count !== length)
      throw new Error(`${MEMORY_FOLDER}/${this.name} has ${fstatSync(this.descriptor).size} bytes instead of ${this.length}`);
    return bytes;
  }

  /** Removes the name. Processes that have mapped the file keep it, and it is gone once they have ended, however they end. */
  unlink(): void {
    rmSync(join(MEMORY_FOLDER, this.name), { force: true });
  }

  /** Must be called once. The memory is freed when the other process has unmapped it as well. */
  close(): void {
    inUse.delete(this.name);
    closeSync(this.descriptor);
  }
}

/** Removes the files of processes that were killed before they could do so themselves. Files of other users are left alone without an error. */
export function sweepMemoryFiles(): void {
  for (const name of readdirSync(MEMORY_FOLDER)) {
    const path = join(MEMORY_FOLDER, name);
    try {
      if (isOrphan(name) || (isForeign(name) && isOld(path))) unlinkSync(path);
    } catch {
      // It belongs to another user, is a folder, or has gone by now.
    }
  }
}

/** Whether a name is one of this package's whose process has ended. */
export function isOrphan(name: string): boolean {
  const [, space, pid, start, thread] = partsOf(name);
  if (space === undefined || space !== processSpace()) return false;
  if (startOf(Number(pid)) !== start) return true;
  // Other threads of this process look after their own files.
  return Number(pid) === process.pid && Number(thread) === threadId && !inUse.has(name);
}

/** Whether a file belongs to a container with process ids of its own. */
function isForeign(name: string): boolean {
  const [, space] = partsOf(name);
  return space !== undefined && space !== processSpace();
}

function isOld(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > OLD;
  } catch {
    return false;
  }
}

/** The owner of a file. Process ids are used again, but not with the same start time. */
function owner(): string {
  return `${processSpace()}-${process.pid}-${startOf(process.pid)}-${threadId}`;
}

function partsOf(name: string): (string | undefined)[] {
  return new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-(\\d+)-(\\d+)-[0-9a-f]{16}$`).exec(name) ?? [];
}

let space: string | undefined;

/** The namespace in which process ids are valid. */
function processSpace(): string {
  space ??= /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  return space;
}

/** When a process started, in ticks since the machine did; undefined where there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the process's name in brackets, which may contain anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
