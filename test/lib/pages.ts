import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './reference';

/** The texts of the pages in a language. */
export const textsOf = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(join(ROOT, `nodes/pages/texts/${language}.json`), 'utf8')) as Record<string, string>;
