import { join } from 'node:path';
import { modelFolder } from './files';
import { parsePromptWeights } from '../prompt/prompt-weights';
import { Tokenizer } from '../prompt/tokenizer';
import type { WordReport } from '../prompt/word-list';

/** How a model reads some prompts, and the words that it knows. */
export interface ModelWords {
  /** A report for each text, without weights such as `(sea:1.2)`; undefined where the model reads any text. */
  reports?: WordReport[];
  /** The words of its list, and the words of its table by language, where they were requested. */
  known?: { list: string[]; others: Record<string, string[]> };
}

/**
 * Looks up texts in the words of a model folder, or of `'starter'`, without running a net. The result is empty for a model
 * without a tokenizer, or with one for any text.
 *
 * Rejects with EBADMODEL when the tokenizer's files cannot be used.
 */
export async function modelWords(model: string, texts: string[], withList = false): Promise<ModelWords> {
  const words = (await Tokenizer.load(join(modelFolder(model), 'tokenizer')))?.words;
  if (!words) return {};
  const plain = (text: string): string =>
    parsePromptWeights(text)
      .map((part) => part.text)
      .join(' ');
  return { reports: texts.map((text) => words.report(plain(text))), ...(withList && { known: words.known }) };
}
