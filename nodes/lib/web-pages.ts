import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../pages');
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');

/** What a page is filled with, by name. Texts must be harmless in HTML: checked names, numbers, choices. */
export type PageValues = Record<string, string | number>;

/**
 * A page of the folder `pages` as one file that needs nothing else: `{{include FILE}}` is replaced when it is loaded,
 * `{{name}}` each time it is asked for.
 */
export function loadPage(file: string): (values: PageValues) => string {
  const html = read(file).replace(/\{\{include ([\w.-]+)\}\}/g, (_, part: string) => read(part));
  return (values) => html.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name] ?? ''));
}
