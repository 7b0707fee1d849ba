import { isAbsolute, resolve } from 'node:path';

/** A path for an error: a relative one with where it leads to, since nobody sees the folder in which a program was started. */
export function placed(path: string): string {
  return isAbsolute(path) ? path : `${path} (that is ${resolve(path)})`;
}
