import { relative, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DOCS = join(ROOT, 'docs');

/** A file's path as it is printed, relative to the checkout. */
export const told = (file) => relative(ROOT, file);
