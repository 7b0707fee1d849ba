import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readBounded } from '../util/bounded-file';
import { onDisk } from './disk';
import { isRepositoryName, type Listing, type RepositoryFile } from './repository';

/** What a pulled folder says about itself, so that it can be checked, repaired and renewed. */
export type Manifest = Listing;

const NAME = '.pulled.json';

/** Of a repository with tens of thousands of files, bytes. */
const LARGEST = 2 ** 23;

/** The manifest of a folder; undefined when it was not pulled, or its manifest is damaged, or names what no pull would have. */
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

/** The folder may have come from somebody else: what it says of itself is looked up on this disk. */
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
