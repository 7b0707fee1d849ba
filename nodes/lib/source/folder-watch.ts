import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { sortInSlices } from '../common/sort-in-slices';

export const PICTURE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff'];
const byName = new Intl.Collator('en', { numeric: true });
/** What systems and programs lay beside pictures: `._x.jpg` of macOS, hidden files, `~$x` and the like of what is open. */
const BESIDE = /^(\.|~)/;

/** What a look at a folder shows. */
export interface FolderScan {
  /** Names of all whole pictures, sorted as people count (2 before 10). */
  names: string[];
  /** Those that came, or were written anew, since the first look; each is told once, when it is whole. */
  arrived: string[];
  /** By name: another one whenever the file is written. */
  stamps: ReadonlyMap<string, string>;
}

/**
 * The pictures in a folder, looked at again and again: the notices of file systems do not come from network drives, and
 * say nothing of whether a file is whole. A file counts as whole when two looks find it alike.
 */
export class FolderWatch {
  /** As it was listed last, and sorted. */
  private sorted: string[] = [];
  private files: Map<string, { stamp: string; isWhole: boolean }> | undefined;

  constructor(private readonly folder: string) {}

  /** Rejects with ESOURCE when the folder cannot be read. */
  async scan(): Promise<FolderScan> {
    const before = this.files;
    const files = new Map<string, { stamp: string; isWhole: boolean }>();
    const arrived: string[] = [];
    for (const name of await this.list()) {
      const stamp = await stampOf(join(this.folder, name));
      if (stamp === undefined) continue;
      const known = before?.get(name);
      const isWhole = !before || known?.stamp === stamp;
      if (before && isWhole && !known?.isWhole) arrived.push(name);
      files.set(name, { stamp, isWhole });
    }
    this.files = files;
    const stamps = new Map<string, string>();
    for (const [name, { stamp, isWhole }] of files) if (isWhole) stamps.set(name, stamp);
    return { names: [...stamps.keys()], arrived, stamps };
  }

  private async list(): Promise<string[]> {
    try {
      const names = (await readdir(this.folder)).filter(
        (name) => PICTURE_EXTENSIONS.includes(extname(name).toLowerCase()) && !BESIDE.test(name),
      );
      const known = new Set(this.sorted);
      const isSame = names.length === known.size && names.every((name) => known.has(name));
      if (!isSame) this.sorted = await sortInSlices(names, byName.compare);
      return this.sorted;
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'there is no such folder' : message;
      throw new EngineError('ESOURCE', `the picture folder ${this.folder} cannot be read: ${reason}`, { cause: thrown });
    }
  }
}

/** Changes whenever the file is written; undefined when it is gone, empty, or no file. */
async function stampOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() && found.size > 0 ? `${found.size} ${found.mtimeMs}` : undefined;
}
