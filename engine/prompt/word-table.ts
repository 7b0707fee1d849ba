import { EngineError } from '../errors';
import type { Json } from '../util/json-file';
import { printable as inPath } from '../util/quote';
import { splitWords } from './split-words';

/** Bounds against mistakes: words of a table, and characters of one. */
const MOST_WORDS = 200_000;
const LONGEST = 80;

/** What is done with the end of a word to find its plain form: "ies" to "y". */
type Endings = [ending: string, replacement: string][];

/** The words of one language, and what each means in words of the model; '' is a word that says nothing. */
interface Language {
  meanings: Map<string, string>;
  /** The words that say something, as they were written. */
  shown: string[];
  endings: Endings;
  /** Whether words are written together, as in German: what is not in the table may be made of words that are. */
  compounds: boolean;
}

/**
 * words.json beside a tokenizer that is a list of words: what words mean that are not in the list. Synonyms and plurals,
 * and words of other languages:
 *
 *     {
 *       "language": "en",
 *       "default": { "add": "day", "unless": ["day", "night", "golden hour"] },
 *       "languages": {
 *         "en": { "endings": { "ies": ["y"], "s": [""] }, "words": { "snow": ["snowy", "snowflake"], "": ["very"] } },
 *         "de": { "compounds": true, "words": { "snow": ["Schnee"] } }
 *       }
 *     }
 *
 * `language` is that of the list itself. `words` is by meaning: words of the list, or of the table's own `language`.
 */
export class WordTable {
  private readonly languages: [name: string, language: Language][];
  /** Words of the longest phrase, and characters of the longest word. */
  readonly mostWords: number;
  readonly longest: number;

  private constructor(
    languages: Map<string, Language>,
    /** The language of the list. */
    readonly own: string,
    /** What a text gets that names nothing of `unless`. */
    readonly preset: { add: string; unless: string[] } | undefined,
  ) {
    this.languages = [...languages];
    const all = this.languages.flatMap(([, { meanings }]) => [...meanings.keys()]);
    this.mostWords = all.reduce((most, word) => Math.max(most, word.split(' ').length), 1);
    this.longest = all.reduce((most, word) => Math.max(most, word.length), 1);
  }

  /** @throws EBADMODEL when it is not made as said above */
  static read(json: Json, path: string): WordTable {
    const wrong = (what: string): EngineError => new EngineError('EBADMODEL', `${inPath(path, 1000)}: ${what}`);
    const { language = 'en', languages, default: preset } = json;
    if (typeof language !== 'string') throw wrong('language must be the name of a language');
    if (!isRecord(languages)) throw wrong('languages must be an object with the words of each language');
    const read = new Map(
      Object.entries(languages).map(([name, value]) => [
        name,
        readLanguage(value, (what) => wrong(`languages.${inPath(name, 40)}.${what}`)),
      ]),
    );
    if ([...read.values()].reduce((sum, { meanings }) => sum + meanings.size, 0) > MOST_WORDS) throw wrong(`more than ${MOST_WORDS} words`);
    if (preset === undefined) return new WordTable(read, language, undefined);
    if (!isRecord(preset) || typeof preset.add !== 'string' || !isTexts(preset.unless))
      throw wrong('default must have "add", a text, and "unless", a list of texts');
    return new WordTable(read, language, { add: preset.add, unless: preset.unless.map(fold) });
  }

  /** By language, the words as they stand in the file that say something. */
  get others(): Record<string, string[]> {
    return Object.fromEntries(this.languages.map(([name, { shown }]) => [name, shown]));
  }

  /** What a word, or a phrase with single spaces, means: one text for each language that has it, the first language first. */
  meanings(word: string): string[] {
    const key = fold(word);
    return this.languages.flatMap(([, { meanings }]) => meanings.get(key) ?? []);
  }

  /** Words of the list's own language only. */
  ownMeaning(word: string): string | undefined {
    return this.languages.find(([name]) => name === this.own)?.[1].meanings.get(fold(word));
  }

  /**
   * What an inflected word may mean, by its ending.
   * @param isListed whether a word is in the model's list
   */
  byEnding(word: string, isListed: (word: string) => boolean): string[] {
    const key = fold(word);
    return this.languages.flatMap(([name, language]) => plain(key, language, name === this.own ? isListed : undefined));
  }

  /** The meanings of the parts of a word that is written together; undefined when it is none, or a part is not known. */
  parts(word: string): string[] | undefined {
    const key = fold(word);
    if (key.length > LONGEST) return undefined;
    for (const [, language] of this.languages) {
      if (!language.compounds) continue;
      const parts = cover(key, 3, (part) => language.meanings.get(part) || plain(part, language)[0]);
      if (parts) return parts;
    }
    return undefined;
  }
}

/** How words are compared: compatible forms as one (full width, half width), small letters. */
export function fold(word: string): string {
  return word.normalize('NFKC').toLowerCase();
}

/**
 * What the parts of a word mean that cover it from end to end, the longest first; undefined when it cannot be covered.
 * @param shortest letters of a part
 */
export function cover(word: string, shortest: number, find: (part: string) => string | undefined): string[] | undefined {
  const dead = new Set<number>();
  const from = (start: number): string[] | undefined => {
    if (start === word.length) return [];
    if (dead.has(start)) return undefined;
    for (let end = word.length; end >= start + shortest; end--) {
      const meaning = find(word.slice(start, end));
      const rest = meaning === undefined ? undefined : from(end);
      if (meaning !== undefined && rest) return [meaning, ...rest];
    }
    dead.add(start);
    return undefined;
  };
  return from(0);
}

/** What the plain forms of a word mean, by a language's endings. */
function plain(word: string, { meanings, endings }: Language, isListed?: (word: string) => boolean): string[] {
  return endings.flatMap(([ending, replacement]) => {
    const stem = word.slice(0, word.length - ending.length);
    if (!word.endsWith(ending) || stem.length < 3) return [];
    const form = stem + replacement;
    return isListed?.(form) ? form : (meanings.get(form) ?? []);
  });
}

function readLanguage(value: unknown, wrong: (what: string) => EngineError): Language {
  const { words, endings = {}, compounds = false } = isRecord(value) ? value : {};
  if (!isRecord(words) || !Object.values(words).every(isTexts)) throw wrong('words must be an object of lists of texts, by what they mean');
  if (!isRecord(endings) || !Object.values(endings).every(isTexts)) throw wrong('endings must be an object of lists of texts');
  const meanings = new Map<string, string>();
  for (const [meaning, texts] of Object.entries(words as Record<string, string[]>)) {
    for (const text of texts) {
      if (text.length > LONGEST || meaning.length > LONGEST) throw wrong(`words: a text has more than ${LONGEST} characters`);
      // As a prompt is split, so that "snow-covered" is found as two words. What was said first holds.
      const key = splitWords(fold(text))
        .map((word) => word.text)
        .join(' ');
      for (const spelling of [key, withoutUmlauts(key)]) if (!meanings.has(spelling)) meanings.set(spelling, meaning);
    }
  }
  const list = Object.entries(endings as Record<string, string[]>).flatMap(([ending, forms]) =>
    forms.map((form): [string, string] => [ending, form]),
  );
  const shown = Object.entries(words as Record<string, string[]>).flatMap(([meaning, texts]) => (meaning === '' ? [] : texts));
  return { meanings, shown, endings: list, compounds: compounds === true };
}

/** As keyboards without umlauts have it. */
function withoutUmlauts(word: string): string {
  const plain: Record<string, string> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };
  return word.replace(/[äöüß]/g, (letter) => plain[letter]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
