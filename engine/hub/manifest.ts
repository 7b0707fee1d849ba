import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readBounded } from '../util/bounded-file';
import { onDisk } from './disk';
import { isRepositoryName, type Listing, type RepositoryFile } from './repository';

/** The record in a pulled folder of what was pulled, so that it can be checked, repaired and updated. */
export type Manifest = Listing;

const NAME = '.pulled.json';

/** The largest manifest, bytes: that of a repository with tens of thousands of files. */
const LARGEST = 2 ** 23;

/** The manifest of a folder; undefined when the folder was not pulled, or its manifest is damaged or names files that no pull would write. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const text = await readBounded(join(folder, NAME), LARGEST).catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { repository, commit, files } = JSON.parse(text.toString('utf8')) as Partial<Manifest>;
    const isSound =
      typeof repository === 'string' &&
      isRepositoryName(repository) &&
      typeof commit === 'string' &&
      /^[\da-f]{40}$/.test(commit) &&
      Array.isArray(files) &&
      files.every(isFile);
    return isSound ? { repository, commit, files } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an entry is a valid file. The folder may come from somebody else, and the paths in its manifest are looked up on this disk. */
function isFile(file: Partial<RepositoryFile> | null): boolean {
  const { path, bytes } = file ?? {};
  return typeof path === 'string' && path.split('/').every((part) => /^[\w-][\w.-]*$/.test(part)) && Number.isSafeInteger(bytes);
}

export async function writeManifest(folder: string, { repository, commit }: Listing, files: RepositoryFile[]): Promise<void> {
  const manifest: Manifest = { repository, commit, files };
  await onDisk(() => writeFile(join(folder, NAME), `${JSON.stringify(manifest, null, 1)}\n`));
}

export function isManifest(name: string): boolean {
  return name === NAME;
}
