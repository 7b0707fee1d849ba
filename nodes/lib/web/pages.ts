import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Request } from 'express';

const FOLDER = join(__dirname, '../../pages');
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');
const assembled = (file: string): string =>
  read(file).replace(/\{\{include ([\w.-]+)\}\}/g, (_, part: string) => assembled(part).trimEnd());

/** The languages of the pages; the first is the default. */
export const PAGE_LANGUAGES = ['en', 'de', 'ja', 'zh'] as const;
export type PageLanguage = (typeof PAGE_LANGUAGES)[number];

const TEXTS = new Map(PAGE_LANGUAGES.map((language) => [language, JSON.parse(read(`texts/${language}.json`)) as Record<string, string>]));

/** The values of a page's placeholders. Texts must be safe in HTML: checked names, numbers, choices. */
export type PageValues = Record<string, string | number>;

/** The language of a visitor: that in the address, as in `?lang=de`, or the browser's. */
export function languageOf(request: Request): PageLanguage {
  const { lang } = request.query;
  const known = PAGE_LANGUAGES.find((language) => language === lang);
  return known ?? ((request.acceptsLanguages([...PAGE_LANGUAGES]) || PAGE_LANGUAGES[0]) as PageLanguage);
}

/** A text of the pages with its values, which are not escaped. */
export function pageText(language: PageLanguage, key: string, values: PageValues = {}): string {
  return (TEXTS.get(language)?.[key] ?? key).replace(/__(\w+)__/g, (_, name: string) => String(values[name] ?? ''));
}

/**
 * A page of the folder `pages` as one self-contained file. `{{include FILE}}` is replaced when the page is loaded; `{{name}}`,
 * `{{t.KEY}}` (a text in the visitor's language) and `{{texts}}` (all texts) at each request.
 */
export function loadPage(file: string): (values: PageValues, language?: PageLanguage) => string {
  const html = assembled(file);
  return (values, asked = 'en') => {
    const language = TEXTS.has(asked) ? asked : 'en';
    const texts = TEXTS.get(language) ?? {};
    const filled = html.replace(/\{\{t\.(\w+)\}\}/g, (_, key: string) =>
      texts[key].replace(/__(\w+)__/g, (_, name: string) => String(values[name] ?? '')),
    );
    const all: PageValues = { ...values, language, texts: JSON.stringify(texts).replaceAll('<', '\\u003c') };
    return filled.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(all[name] ?? ''));
  };
}
