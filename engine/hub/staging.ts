import { copyFile, link, lstat, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { EngineError } from '../errors';
import { hasContent } from './checksum';
import { onDisk } from './disk';
import { isManifest, readManifest } from './manifest';
import type { RepositoryFile } from './repository';

/** The ending of an unfinished file. */
const PART = '.part';

/**
 * A folder beside the target in which a model is assembled, so that the target is either complete or absent. Complete files
 * are in a folder of their commit, so that no model is mixed from two commits. Unfinished files are outside it and have the
 * checksum of their content in their names, so that a later commit with the same content continues them.
 */
export class Staging {
  /** The folder of all commits. */
  readonly folder: string;
  private readonly own: string;
  /** Where the older target is while the new one takes its place. */
  private readonly old: string;

  constructor(
    readonly target: string,
    commit: string,
  ) {
    this.folder = join(dirname(target), `.${basename(target)}.partial`);
    this.own = join(this.folder, `commit-${commit}`);
    this.old = join(dirname(target), `.${basename(target)}.old`);
  }

  /** Brings back what an earlier try has left of the older target, whose process was ended in the middle of {@link publish}. */
  recover(): Promise<void> {
    return onDisk(async () => {
      if (!(await isThere(this.old))) return;
      if (!(await isThere(this.target))) return rename(this.old, this.target);
      await keepPulled(this.old, this.target);
      await rm(this.old, { recursive: true, force: true });
    });
  }

  /** The folder that becomes the target. */
  async open(): Promise<string> {
    await onDisk(() => mkdir(this.own, { recursive: true }));
    return this.own;
  }

  /** The path of a complete file. */
  pathOf({ path }: RepositoryFile): string {
    return join(this.own, path);
  }

  /** The path of a file until it is complete. */
  partOf({ path, checksum }: RepositoryFile): string {
    return join(this.folder, `${path}.${checksum.digest.slice(0, 12)}${PART}`);
  }

  /** The length of what earlier tries have left of a file, bytes. */
  async partBytes(file: RepositoryFile): Promise<number> {
    return (await stat(this.partOf(file)).catch(() => undefined))?.size ?? 0;
  }

  /** Whether an earlier try has completed this file, judged by its content. */
  has(file: RepositoryFile, signal?: AbortSignal): Promise<boolean> {
    return hasContent(this.pathOf(file), file, signal);
  }

  /** The places where earlier tries for other commits may have left a file. */
  async elsewhere({ path }: RepositoryFile): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names
      .filter((name) => name.startsWith('commit-'))
      .map((name) => join(this.folder, name, path))
      .filter((place) => !place.startsWith(this.own + sep));
  }

  /** Takes a file from elsewhere on this machine if its content is right. Weights take no room where the disk supports hard links. */
  async takeFrom(source: string, file: RepositoryFile, signal?: AbortSignal): Promise<boolean> {
    // A file that cannot be read counts as missing.
    if (!(await hasContent(source, file, signal).catch(() => false))) return false;
    const target = this.pathOf(file);
    await onDisk(async () => {
      await mkdir(dirname(target), { recursive: true });
      await rm(target, { force: true });
      const real = await realpath(source);
      // Configs are copied: people edit them, which must not change the original.
      if (file.checksum.algorithm === 'git-sha1') await copyFile(real, target);
      else await link(real, target).catch(() => copyFile(real, target));
    });
    return true;
  }

  /**
   * Makes the staged folder the target. Files of an older target that `files` does not name are removed, except repositories
   * that were pulled into it by themselves, and so are the files of other commits.
   */
  async publish(files: RepositoryFile[]): Promise<void> {
    await onDisk(async () => {
      await this.sweep(files);
      const { old } = this;
      const replaces = await isThere(this.target);
      if (replaces) await rename(this.target, old);
      try {
        await rename(this.own, this.target);
      } catch (thrown) {
        if (replaces) await rename(old, this.target);
        throw thrown;
      }
      if (replaces) await keepPulled(old, this.target);
      await rm(old, { recursive: true, force: true });
      await rm(this.folder, { recursive: true, force: true });
    });
  }

  /** Removes files that do not belong to the model. */
  private async sweep(files: RepositoryFile[]): Promise<void> {
    const wanted = new Set(files.map((file) => this.pathOf(file)));
    for (const name of await readdir(this.own, { recursive: true })) {
      const path = join(this.own, name);
      if (!wanted.has(path) && !isManifest(name) && !(await lstat(path)).isDirectory()) await rm(path);
    }
  }
}

/** Whether there is a file or folder, as far as this process can see. */
async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Moves the folders of other repositories that were pulled into a model's folder, such as an autoencoder. */
async function keepPulled(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    const isPulled = (await readManifest(join(from, name))) !== undefined;
    if (isPulled && !(await isThere(join(to, name)))) await rename(join(from, name), join(to, name));
  }
}

/**
 * Rejects with EBADPARAM when the target is something that a download must not replace.
 *
 * @param repository the one whose folder may be updated
 */
export async function checkTarget(target: string, repository: string, pulled: string | undefined): Promise<void> {
  if (pulled === repository) return;
  const found = await stat(target).catch(() => undefined);
  if (!found || (found.isDirectory() && (await readdir(target)).length === 0)) return;
  const content = pulled ? `holds ${pulled}` : found.isDirectory() ? 'contains other files' : 'is a file';
  throw new EngineError('EBADPARAM', `${target} ${content}; choose another folder with --to, or move it away`);
}
