import { realpath } from 'node:fs/promises';
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path';
import { EngineError } from '../errors';
import { printable } from '../util/quote';

/** A file of Hugging Face's cache: models--OWNER--NAME holds `blobs` (contents) and `snapshots` (links to them, by commit). */
const IN_CACHE = /[\\/]models--[^\\/]+[\\/](blobs|snapshots)[\\/]./;

/**
 * Where the files of a model may lie once all links are followed, since a folder that somebody else has made may hold links
 * to whatever this user can read:
 *
 * - in the model's folder itself;
 * - in Hugging Face's download cache: in `blobs` beside the `snapshots` that the folder lies in, and in any `blobs` or
 *   `snapshots` of a folder `models--OWNER--NAME`;
 * - in a folder that STREAMDIFFUSION_MODEL_LINKS names (several are separated as in PATH), such as another disk.
 */
export class Reach {
  private constructor(
    private readonly folder: string,
    /** Folders without links in which files may lie. */
    private readonly roots: string[],
  ) {}

  /** @param folder of a model; it may itself be a link */
  static async of(folder: string, env: NodeJS.ProcessEnv = process.env): Promise<Reach> {
    const real = await realpath(folder).catch(() => resolve(folder));
    const [, repository] = /^(.*)[\\/]snapshots[\\/]/.exec(real + sep) ?? [];
    const allowed = (env.STREAMDIFFUSION_MODEL_LINKS ?? '').split(delimiter).filter((each) => each !== '');
    const others = await Promise.all(allowed.map((each) => realpath(each).catch(() => resolve(each))));
    return new Reach(folder, [real, ...(repository === undefined ? [] : [join(repository, 'blobs')]), ...others]);
  }

  /**
   * Rejects with EBADMODEL where a path leads out of reach. One that leads nowhere is not at fault: who opens it says so.
   *
   * @returns the path without links; undefined where there is nothing
   */
  async check(path: string): Promise<string | undefined> {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined || IN_CACHE.test(real) || this.roots.some((root) => isWithin(root, real))) return real;
    throw new EngineError(
      'EBADMODEL',
      `${printable(relative(dirname(this.folder), path), 1000)} is a link that leads out of the model's folder, which is refused; ` +
        'put the file in its place, or name the folder it leads to in STREAMDIFFUSION_MODEL_LINKS',
    );
  }
}

function isWithin(folder: string, file: string): boolean {
  return file === folder || file.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
