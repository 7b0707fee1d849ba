import { boundaries, splitWords, type SplitWord } from './split-words';
import { cover, fold, type WordTable } from './word-table';

/** How a model reads a word of a prompt. */
export interface ReadWord {
  /** The word as written. */
  word: string;
  /** The words of the model's list that it is read as: itself, others by the table, or none for a word without meaning. */
  as: string[];
  /** False for a word that the model does not get. */
  known: boolean;
}

/** How a model reads a prompt. */
export interface WordReport {
  words: ReadWord[];
  /** Words that are added because the prompt leaves open what they say. */
  added: string[];
}

/** How many steps a meaning may take through the table. */
const DEEPEST = 4;
/** The most characters of a run without spaces that are looked up together. */
const LONGEST_RUN_WORD = 16;

/** Reads prompts for a model whose vocabulary is a list of whole words: which words it knows, in every script. */
export class WordList {
  /**
   * @param isListed whether a word, as the tokenizer writes it, is in the list
   * @param seen splits a text as the tokenizer does, into words as the list writes them
   * @param table the meanings of other words
   * @param list all words, for people to read
   */
  constructor(
    private readonly isListed: (word: string) => boolean,
    private readonly seen: (text: string) => string[],
    private readonly table?: WordTable,
    private readonly list: string[] = [],
  ) {}

  /** All known words: the list, and those of the table by language. */
  get known(): { list: string[]; others: Record<string, string[]> } {
    return { list: this.list, others: this.table?.others ?? {} };
  }

  /** The words of a text, in order. Words of the list always stand for themselves, whatever the table says. */
  read(text: string): ReadWord[] {
    const words = splitWords(text);
    const read: ReadWord[] = [];
    for (let at = 0; at < words.length; ) {
      const phrase = words[at].spaced ? this.phraseAt(words, at) : undefined;
      read.push(...(phrase?.read ?? (words[at].spaced ? this.readWord(words[at].text) : this.readRun(words[at].text))));
      at += phrase?.length ?? 1;
    }
    return read;
  }

  /** The words of the list that a text becomes. */
  tokens(text: string): string[] {
    return this.read(text).flatMap((word) => word.as);
  }

  /** The words that the model does not get, each once, in lower case. */
  unknown(text: string): string[] {
    return [...new Set(this.read(text).flatMap(({ word, known }) => (known ? [] : fold(word))))];
  }

  /** The words that are added to a prompt; an empty one stays empty. */
  added(text: string): string[] {
    const preset = this.table?.preset;
    const words = preset ? this.read(text) : [];
    const addition = preset && words.length > 0 ? this.resolve(preset.add) : undefined;
    if (!preset || !addition) return [];
    const line = ` ${words.flatMap((word) => word.as).join(' ')} `;
    return preset.unless.some((phrase) => line.includes(` ${phrase} `)) ? [] : addition;
  }

  report(text: string): WordReport {
    return { words: this.read(text), added: this.added(text) };
  }

  /** Words that form a phrase of the table; a phrase never changes what a word of the list means. */
  private phraseAt(words: SplitWord[], at: number): { read: ReadWord[]; length: number } | undefined {
    for (let length = Math.min(this.table?.mostWords ?? 1, words.length - at); length > 1; length--) {
      const some = words.slice(at, at + length);
      if (!some.every(({ text, spaced }) => spaced && !this.listed(text))) continue;
      const as = this.firstOf(this.table?.meanings(some.map(({ text }) => text).join(' ')) ?? []);
      if (as) return { read: [{ word: some.map(({ text }) => text).join(' '), as, known: true }], length };
    }
    return undefined;
  }

  private readWord(word: string): ReadWord[] {
    const as =
      this.listed(word) ?? this.lookUp(word) ?? this.inPieces(word) ?? this.listed(withoutMarks(word)) ?? this.lookUp(withoutMarks(word));
    return [{ word, as: as ?? [], known: as !== undefined }];
  }

  /** The word of the list, if the tokenizer sees all of it. */
  private listed(word: string): string[] | undefined {
    const [piece, ...more] = this.seen(word);
    return piece !== undefined && more.length === 0 && piece.length === word.length && this.isListed(piece) ? [piece] : undefined;
  }

  private lookUp(word: string): string[] | undefined {
    if (!this.table) return undefined;
    const { table } = this;
    const meanings = table.meanings(word);
    // A word of the table is not read as parts, even where the list has no word for it.
    if (meanings.length > 0) return this.firstOf(meanings);
    const parts = (): string[][] | undefined => table.parts(word)?.map((part) => this.resolve(part) ?? ['']);
    const whole = this.firstOf(table.byEnding(word, this.isListed)) ?? parts()?.flat();
    return whole?.includes('') ? undefined : whole;
  }

  /** What the tokenizer sees of a word with signs that it leaves out, such as digits; undefined when a letter is lost. */
  private inPieces(word: string): string[] | undefined {
    const pieces = this.seen(word);
    const letters = word.replace(/[^\p{L}\p{M}]/gu, '');
    const as = pieces.filter(this.isListed);
    return letters !== '' && pieces.join('').length === letters.length && as.length > 0 && as.length === pieces.length ? as : undefined;
  }

  /** The words of a run without spaces: the longest in the table, by the dictionary's boundaries, or compounds of such words. */
  private readRun(run: string): ReadWord[] {
    const read: ReadWord[] = [];
    const ends = boundaries(run);
    for (let k = 0; k < ends.length - 1; ) {
      const { to, ...found } = this.longestAt(run, ends, k);
      read.push(found);
      k = to;
    }
    return read;
  }

  private longestAt(run: string, ends: number[], from: number): ReadWord & { to: number } {
    const start = ends[from];
    for (let to = Math.min(ends.length - 1, from + LONGEST_RUN_WORD); to > from; to--) {
      const word = run.slice(start, ends[to]);
      const meanings = word.length > LONGEST_RUN_WORD ? undefined : this.table?.meanings(word);
      if (!meanings?.length) continue;
      const as = this.firstOf(meanings);
      return { word, as: as ?? [], known: as !== undefined, to };
    }
    const word = run.slice(start, ends[from + 1]);
    const parts = word.length > LONGEST_RUN_WORD ? undefined : cover(word, 1, (part) => this.table?.meanings(part)[0]);
    const as = parts?.map((part) => this.resolve(part));
    const meanings = as?.filter((part) => part !== undefined) ?? [];
    const known = as !== undefined && meanings.length === as.length;
    return { word, as: known ? meanings.flat() : [], known, to: from + 1 };
  }

  private firstOf(meanings: string[]): string[] | undefined {
    for (const meaning of meanings) {
      const as = this.resolve(meaning);
      if (as) return as;
    }
    return undefined;
  }

  /** A meaning in words of the list; undefined when the list has none for a part of it. */
  private resolve(meaning: string, depth = 0): string[] | undefined {
    if (depth > DEEPEST) return undefined;
    const words = meaning.split(' ').filter((word) => word !== '');
    const resolved = words.map((word) => {
      const other = this.isListed(word) ? undefined : this.table?.ownMeaning(word);
      return this.isListed(word) ? [word] : other === undefined ? undefined : this.resolve(other, depth + 1);
    });
    return resolved.every((part) => part !== undefined) ? resolved.flat() : undefined;
  }
}

function withoutMarks(word: string): string {
  return fold(word).normalize('NFD').replace(/\p{M}/gu, '');
}
