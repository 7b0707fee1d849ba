import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { placed } from '../../../engine/util/place';
import { sortInSlices } from '../common/sort-in-slices';

export const PICTURE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff'];
const byName = new Intl.Collator('en', { numeric: true });
/** Files that systems and programs put beside pictures: `._x.jpg` of macOS, hidden files, `~$x` of open files. */
const BESIDE = /^(\.|~)/;

/** The result of scanning a folder. */
export interface FolderScan {
  /** The names of all complete pictures in natural order (2 before 10). */
  names: string[];
  /** Pictures that were added or rewritten since the first scan; each is listed once, when it is complete. */
  arrived: string[];
  /** A stamp by name that changes whenever the file is written. */
  stamps: ReadonlyMap<string, string>;
}

/**
 * Watches the pictures in a folder by scanning it repeatedly: file system events do not come from network drives, and do not
 * tell whether a file is complete. A file counts as complete when two scans find it unchanged.
 */
export class FolderWatch {
  /** The names in the last scan, sorted. */
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
      const folder = placed(this.folder);
      const wrong = code === 'ENOENT' ? `there is no such folder: ${folder}` : `the folder ${folder} cannot be read: ${message}`;
      throw new EngineError('ESOURCE', wrong, { cause: thrown });
    }
  }
}

/** A stamp that changes whenever the file is written; undefined when it is gone, empty, or not a file. */
async function stampOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() && found.size > 0 ? `${found.size} ${found.mtimeMs}` : undefined;
}
