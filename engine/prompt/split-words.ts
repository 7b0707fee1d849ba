/** A word of a text, in whatever script. */
export interface SplitWord {
  text: string;
  /** Its position in the text, which is in NFC. */
  at: number;
  /** Whether its script puts spaces between words; if not, this is a whole run that may hold several words. */
  spaced: boolean;
}

/** Scripts that are written without spaces: Chinese and Japanese, Thai and its neighbours. */
const UNSPACED = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー々〆ヶ\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}`;
/** Runs without spaces; words of letters, marks and digits; pictures that stand for words. */
const WORDS = new RegExp(
  String.raw`[${UNSPACED}]+|(?:(?![${UNSPACED}])[\p{L}\p{M}\p{N}])+|\p{Extended_Pictographic}(?:\u200d\p{Extended_Pictographic}|\ufe0f|\p{Emoji_Modifier})*`,
  'gu',
);
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'u');
/** English endings after an apostrophe, which are not words: "it's", "castle’s". */
const ENDINGS = /(?<=\p{L})['’](?:s|t|d|m|re|ve|ll)(?![\p{L}\p{M}\p{N}])/giu;

/** The words of a text in order, without signs and spaces. */
export function splitWords(text: string): SplitWord[] {
  const line = text.normalize('NFC').replace(ENDINGS, (ending) => ' '.repeat(ending.length));
  return [...line.matchAll(WORDS)].map(([word], k, all) => ({ text: word, at: all[k].index, spaced: !IS_UNSPACED.test(word) }));
}

let segmenter: Intl.Segmenter | undefined;

/** Where words may begin in a run without spaces, by a dictionary of common words; 0 and the run's length are included. */
export function boundaries(run: string): number[] {
  // Chinese and Japanese share one dictionary, so the language does not matter.
  segmenter ??= new Intl.Segmenter('ja', { granularity: 'word' });
  return [...[...segmenter.segment(run)].map(({ index }) => index), run.length];
}
