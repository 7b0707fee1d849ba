import { join } from 'node:path';
import { modelFolder } from './files';
import { parsePromptWeights } from '../prompt/prompt-weights';
import { Tokenizer } from '../prompt/tokenizer';
import type { WordReport } from '../prompt/word-list';

/** What a model reads in some prompts, and which words it knows. */
export interface ModelWords {
  /** Of each text, weights such as `(sea:1.2)` taken out; undefined where the model reads any text. */
  reports?: WordReport[];
  /** The words of its list, when they were asked for; and what stands in the table by language. */
  known?: { list: string[]; others: Record<string, string[]> };
}

/**
 * Looks texts up in the words of a model folder, or of `'starter'`. Nothing is computed, and a model without a tokenizer or with
 * one for any text has nothing to say.
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
