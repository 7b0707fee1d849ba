import { realpath } from 'node:fs/promises';
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path';
import { EngineError } from '../errors';
import { printable } from '../util/quote';

/** A file of Hugging Face's cache: models--OWNER--NAME holds `blobs` (contents) and `snapshots` (links to them, by commit). */
const IN_CACHE = /[\\/]models--[^\\/]+[\\/](blobs|snapshots)[\\/]./;

/**
 * The folders that the files of a model may be in once all links are followed, since a folder from somebody else may contain
 * links to anything that this user can read:
 *
 * - in the model's folder itself;
 * - in Hugging Face's download cache: in `blobs` beside the `snapshots` that contain the folder, and in any `blobs` or
 *   `snapshots` of a folder `models--OWNER--NAME`;
 * - in a folder that STREAMDIFFUSION_MODEL_LINKS names (several are separated as in PATH), such as another disk.
 */
export class Reach {
  private constructor(
    private readonly folder: string,
    /** The allowed folders, without links. */
    private readonly roots: string[],
  ) {}

  /** @param folder a model's folder; it may itself be a link */
  static async of(folder: string, env: NodeJS.ProcessEnv = process.env): Promise<Reach> {
    const real = await realpath(folder).catch(() => resolve(folder));
    const [, repository] = /^(.*)[\\/]snapshots[\\/]/.exec(real + sep) ?? [];
    const allowed = (env.STREAMDIFFUSION_MODEL_LINKS ?? '').split(delimiter).filter((each) => each !== '');
    const others = await Promise.all(allowed.map((each) => realpath(each).catch(() => resolve(each))));
    return new Reach(folder, [real, ...(repository === undefined ? [] : [join(repository, 'blobs')]), ...others]);
  }

  /**
   * Rejects with EBADMODEL where a path leads out of reach. A path that leads nowhere is accepted; whoever opens it reports that.
   *
   * @returns the path without links; undefined where there is no such file
   */
  async check(path: string): Promise<string | undefined> {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined || IN_CACHE.test(real) || this.roots.some((root) => isWithin(root, real))) return real;
    throw new EngineError(
      'EBADMODEL',
      `${printable(relative(dirname(this.folder), path), 1000)} is a link that leads out of the model's folder, which is refused; ` +
        'replace the link by the file, or name the folder it leads to in STREAMDIFFUSION_MODEL_LINKS',
    );
  }
}

function isWithin(folder: string, file: string): boolean {
  return file === folder || file.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
