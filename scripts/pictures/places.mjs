import { relative, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DOCS = join(ROOT, 'docs');

/** A file as it is told to whoever runs the program. */
export const told = (file) => relative(ROOT, file);
