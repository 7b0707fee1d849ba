import { EngineError } from '../errors';
import type { Json } from '../util/json-file';
import { printable as inPath } from '../util/quote';
import { splitWords } from './split-words';

/** Bounds against mistakes: the words of a table, and the characters of a word. */
const MOST_WORDS = 200_000;
const LONGEST = 80;

/** Endings and their replacements that give a word's plain form: "ies" to "y". */
type Endings = [ending: string, replacement: string][];

/** The words of one language, and what each means in words of the model; '' marks a word without meaning. */
interface Language {
  meanings: Map<string, string>;
  /** The words with a meaning, as they were written. */
  shown: string[];
  endings: Endings;
  /** Whether the language writes compounds as one word, as German does: an unknown word may be made of known ones. */
  compounds: boolean;
}

/**
 * words.json beside a tokenizer that is a list of words: the meanings of words that are not in the list, such as synonyms,
 * plurals and words of other languages:
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
 * `language` is that of the list itself. `words` is keyed by meaning: words of the list, or of the table's own `language`.
 */
export class WordTable {
  private readonly languages: [name: string, language: Language][];
  /** The number of words in the longest phrase, and of characters in the longest word. */
  readonly mostWords: number;
  readonly longest: number;

  private constructor(
    languages: Map<string, Language>,
    /** The language of the list. */
    readonly own: string,
    /** The word that is added to a text that names none of `unless`. */
    readonly preset: { add: string; unless: string[] } | undefined,
  ) {
    this.languages = [...languages];
    const all = this.languages.flatMap(([, { meanings }]) => [...meanings.keys()]);
    this.mostWords = all.reduce((most, word) => Math.max(most, word.split(' ').length), 1);
    this.longest = all.reduce((most, word) => Math.max(most, word.length), 1);
  }

  /** @throws EBADMODEL when the file does not have the form above */
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

  /** The words with a meaning by language, as the file writes them. */
  get others(): Record<string, string[]> {
    return Object.fromEntries(this.languages.map(([name, { shown }]) => [name, shown]));
  }

  /** The meanings of a word, or of a phrase with single spaces: one text for each language that has it, in the order of the languages. */
  meanings(word: string): string[] {
    const key = fold(word);
    return this.languages.flatMap(([, { meanings }]) => meanings.get(key) ?? []);
  }

  /** The meaning of a word in the list's own language. */
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

  /** The meanings of the parts of a compound; undefined when the word is not one, or a part is not known. */
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

/** The form in which words are compared: compatible forms (full width, half width) become one, and letters lower case. */
export function fold(word: string): string {
  return word.normalize('NFKC').toLowerCase();
}

/**
 * The meanings of parts that cover a word from end to end, the longest first; undefined when it cannot be covered.
 * @param shortest the fewest letters of a part
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

/** The meanings of a word's plain forms, by a language's endings. */
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
      // Keys are split as prompts are, so that "snow-covered" is found as two words. The first entry for a key holds.
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

/** The spelling for keyboards without umlauts. */
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
