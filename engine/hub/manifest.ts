import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from './disk';
import type { Listing, RepositoryFile } from './repository';

/** What a pulled folder says about itself, so that it can be checked, repaired and renewed. */
export type Manifest = Listing;

const NAME = '.pulled.json';

/** The manifest of a folder; undefined when it was not pulled, or its manifest is damaged. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const text = await readFile(join(folder, NAME), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { repository, commit, files } = JSON.parse(text) as Partial<Manifest>;
    if (typeof repository === 'string' && typeof commit === 'string' && Array.isArray(files)) return { repository, commit, files };
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  return undefined;
}

export async function writeManifest(folder: string, { repository, commit }: Listing, files: RepositoryFile[]): Promise<void> {
  const manifest: Manifest = { repository, commit, files };
  await onDisk(() => writeFile(join(folder, NAME), `${JSON.stringify(manifest, null, 1)}\n`));
}

export function isManifest(name: string): boolean {
  return name === NAME;
}
