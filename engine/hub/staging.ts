import { copyFile, link, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../errors';
import { hasContent } from './checksum';
import { onDisk } from './disk';
import { isManifest } from './manifest';
import type { RepositoryFile } from './repository';

/** A folder beside the target in which a model is put together, so that the target is either whole or not there. */
export class Staging {
  readonly folder: string;

  constructor(readonly target: string) {
    this.folder = join(dirname(target), `.${basename(target)}.partial`);
  }

  pathOf({ path }: RepositoryFile): string {
    return join(this.folder, path);
  }

  /** Whether an earlier try has finished this file: files get their name only when they have been checked. */
  async has(file: RepositoryFile): Promise<boolean> {
    return (await stat(this.pathOf(file)).catch(() => undefined))?.size === file.bytes;
  }

  /** Takes a file from a place on this machine, if its content is right. Weights cost no room where the disk can link. */
  async takeFrom(source: string, file: RepositoryFile, signal?: AbortSignal): Promise<boolean> {
    // A file that cannot be read is as good as none.
    if (!(await hasContent(source, file, signal).catch(() => false))) return false;
    const target = this.pathOf(file);
    await onDisk(async () => {
      await mkdir(dirname(target), { recursive: true });
      await rm(target, { force: true });
      const real = await realpath(source);
      // Configs get edited; that must not change the file that they came from.
      if (file.checksum.algorithm === 'git-sha1') await copyFile(real, target);
      else await link(real, target).catch(() => copyFile(real, target));
    });
    return true;
  }

  /** Makes the staged folder the target. What an older target had and `files` do not name is gone then. */
  async publish(files: RepositoryFile[]): Promise<void> {
    await onDisk(async () => {
      await this.sweep(files);
      const old = join(dirname(this.target), `.${basename(this.target)}.old`);
      await rm(old, { recursive: true, force: true });
      const replaces = (await stat(this.target).catch(() => undefined)) !== undefined;
      if (replaces) await rename(this.target, old);
      try {
        await rename(this.folder, this.target);
      } catch (thrown) {
        if (replaces) await rename(old, this.target);
        throw thrown;
      }
      await rm(old, { recursive: true, force: true });
    });
  }

  /** Removes what tries for another revision left behind. */
  private async sweep(files: RepositoryFile[]): Promise<void> {
    const wanted = new Set(files.map((file) => this.pathOf(file)));
    for (const name of await readdir(this.folder, { recursive: true })) {
      const path = join(this.folder, name);
      if (!wanted.has(path) && !isManifest(name) && (await stat(path)).isFile()) await rm(path);
    }
  }
}

/**
 * Rejects with EBADPARAM when there is something at the target that a download must not replace.
 *
 * @param repository whose folder may be renewed
 */
export async function checkTarget(target: string, repository: string, pulled: string | undefined): Promise<void> {
  if (pulled === repository) return;
  const found = await stat(target).catch(() => undefined);
  if (!found || (found.isDirectory() && (await readdir(target)).length === 0)) return;
  const content = pulled ? `holds ${pulled}` : found.isDirectory() ? 'has files of another origin in it' : 'is a file';
  throw new EngineError('EBADPARAM', `${target} ${content}; choose another folder with --to, or move it away`);
}
