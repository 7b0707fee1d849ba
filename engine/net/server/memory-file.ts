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

/** Where Linux keeps POSIX shared memory: the region /NAME is the file NAME in here, in memory (tmpfs). */
export const MEMORY_FOLDER = '/dev/shm';
const PREFIX = 'streamdiffusion';
/** Zeros are written in pieces of so many bytes. */
const PIECE = 2 ** 20;
/** What belongs to a process that cannot be seen from here is old after this time without a change, ms. */
const OLD = 24 * 3600_000;

/** Names of this thread's files that are in use. */
const inUse = new Set<string>();

/**
 * A file in memory that another process maps into its own. Reading and writing it at a position is a copy in memory, and
 * what one of the two has written the other one sees.
 */
export class MemoryFile {
  private constructor(
    readonly name: string,
    readonly length: number,
    private readonly descriptor: number,
  ) {}

  /**
   * Of this length from the beginning and for good: whoever had mapped a file that is cut off would crash, and so would
   * who wrote where the memory is full, so that all of it is taken at once.
   *
   * @throws as node:fs does, ENOSPC where there is no room
   */
  static create(length: number): MemoryFile {
    const name = `${PREFIX}-${owner()}-${randomBytes(8).toString('hex')}`;
    const path = join(MEMORY_FOLDER, name);
    // For this user alone: it holds pictures.
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

  /** @throws ENOSPC rather than write a part */
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

  /** Takes away the name. Who has mapped it keeps it, and nothing is left of it when both have gone, however they go. */
  unlink(): void {
    rmSync(join(MEMORY_FOLDER, this.name), { force: true });
  }

  /** To be called once. The memory is given back when the other process has unmapped it as well. */
  close(): void {
    inUse.delete(this.name);
    closeSync(this.descriptor);
  }
}

/** Removes the files of processes that were killed before they could do it. What belongs to somebody else stays, and stops nothing. */
export function sweepMemoryFiles(): void {
  for (const name of readdirSync(MEMORY_FOLDER)) {
    const path = join(MEMORY_FOLDER, name);
    try {
      if (isOrphan(name) || (isForeign(name) && isOld(path))) unlinkSync(path);
    } catch {
      // Another user's, a folder, or gone by now.
    }
  }
}

/** Whether a name is one of ours whose process is no more. */
export function isOrphan(name: string): boolean {
  const [, space, pid, start, thread] = partsOf(name);
  if (space === undefined || space !== processSpace()) return false;
  if (startOf(Number(pid)) !== start) return true;
  // Other threads of this process look after their own.
  return Number(pid) === process.pid && Number(thread) === threadId && !inUse.has(name);
}

/** Of a container whose processes have numbers of their own. */
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

/** Who made a file: numbers of processes are used again, but not at the same time of start. */
function owner(): string {
  return `${processSpace()}-${process.pid}-${startOf(process.pid)}-${threadId}`;
}

function partsOf(name: string): (string | undefined)[] {
  return new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-(\\d+)-(\\d+)-[0-9a-f]{16}$`).exec(name) ?? [];
}

let space: string | undefined;

/** Number of the namespace in which the numbers of processes mean something. */
function processSpace(): string {
  space ??= /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  return space;
}

/** When a process began, in ticks since the machine did; undefined where there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in brackets, which may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
