import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { join } from 'node:path';
import { EngineError } from '../errors';
import { readJson, readText } from '../util/json-file';
import { type BpeTables, clipTokenizerJson, parseMerges } from './clip-tokenizer';
import type { PromptPart } from './prompt-weights';
import { WordList } from './word-list';
import { WordTable } from './word-table';

/** The files that are read in a tokenizer's folder. */
export const TOKENIZER_FILES = [
  'special_tokens_map.json',
  'tokenizer_config.json',
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'words.json',
] as const;

/** The parts of a tokenizer.json and its configs that are used here. */
interface TokenizerJson {
  model: { type?: string; end_of_word_suffix?: string; unk_token?: string; vocab: Record<string, number> } & Partial<BpeTables>;
  padding?: { pad_id?: number } | null;
}
type SpecialToken = string | { content: string };
interface TokenizerConfig {
  model_max_length?: number;
  bos_token?: SpecialToken;
  eos_token?: SpecialToken;
  pad_token?: SpecialToken;
  unk_token?: SpecialToken;
}

/** Turns texts into token ids, as the model's own tokenizer files say. */
export class Tokenizer {
  /** The ids before and after every text. */
  private readonly frame: [start: number[], end: number[]];

  private constructor(
    private readonly tokenizer: HuggingFaceTokenizer,
    /** The number of ids of a prompt, padding included: CLIP's 77 unless the configs say otherwise. */
    readonly length: number,
    private readonly padId: number,
    /** Set when the vocabulary is a list of whole words. */
    readonly words: WordList | undefined,
  ) {
    const { ids }: { ids: number[] } = tokenizer.encode('');
    const half = Math.floor(ids.length / 2);
    this.frame = [ids.slice(0, half), ids.slice(half)];
  }

  /**
   * The tokenizer in a folder, from tokenizer.json or from CLIP's vocab.json and merges.txt; undefined when there is
   * neither. Rejects with EBADMODEL when the files cannot be used.
   */
  static async load(folder: string): Promise<Tokenizer | undefined> {
    const config: TokenizerConfig = {
      ...(await readJson<TokenizerConfig>(join(folder, 'special_tokens_map.json'))),
      ...(await readJson<TokenizerConfig>(join(folder, 'tokenizer_config.json'))),
    };
    const json = await readJson<TokenizerJson>(join(folder, 'tokenizer.json'));
    const files = json ? undefined : await readTables(folder);
    if (!json && !files) return undefined;
    try {
      const tables = json ? clipTables(json) : files;
      const [bos, eos, pad, unk] = [config.bos_token, config.eos_token, config.pad_token, config.unk_token].map(contentOf);
      const framed = tables ? clipTokenizerJson(tables, bos ?? '<|startoftext|>', eos ?? '<|endoftext|>', pad) : json;
      // The library is loaded here, so a process that never reads a prompt does without it.
      const { Tokenizer: Library } = require('@huggingface/tokenizers') as typeof import('@huggingface/tokenizers');
      const tokenizer = new Library(framed ?? {}, { unk_token: unk, bos_token: bos, eos_token: eos, pad_token: pad });
      const id = (token: string | undefined): number | undefined => (token === undefined ? undefined : tokenizer.token_to_id(token));
      const padId = id(pad) ?? json?.padding?.pad_id ?? id(eos) ?? id('<|endoftext|>') ?? 0;
      const isList = json?.model.type === 'WordLevel' && id(unk ?? json.model.unk_token) !== undefined;
      return new Tokenizer(tokenizer, lengthOf(config), padId, isList ? wordListOf(tokenizer, await readTable(folder)) : undefined);
    } catch (thrown) {
      throw EngineError.from(thrown, 'EBADMODEL', `the tokenizer in ${folder} cannot be used: `);
    }
  }

  /**
   * The ids of a text between start and end token, padded to `length`. A text that is too long loses its last words,
   * never the end token, and `truncated` says so. Words that a list of words does not know are left out.
   */
  encode(text: string, length = this.length): { ids: number[]; truncated: boolean } {
    const { ids, wanted } = this.encodeParts([{ text, weight: 1 }], length);
    return { ids, truncated: wanted > length };
  }

  /**
   * The same for a text in pieces.
   *
   * @returns `weights`, one for every id; `wanted`, the ids that the whole text would take
   */
  encodeParts(parts: PromptPart[], length = this.length): { ids: number[]; weights: number[]; wanted: number } {
    const [start, end] = this.frame;
    const tokens = parts.flatMap(({ text, weight }) => this.idsOf(text).map((id) => ({ id, weight })));
    const kept = tokens.slice(0, length - start.length - end.length);
    const ids = [...start, ...kept.map(({ id }) => id), ...end];
    const padding = new Array<number>(length - ids.length);
    return {
      ids: [...ids, ...padding.fill(this.padId)],
      weights: [...start.map(() => 1), ...kept.map(({ weight }) => weight), ...end.map(() => 1), ...Array.from(padding, () => 1)],
      wanted: start.length + tokens.length + end.length,
    };
  }

  /** Pads again, as this tokenizer does, ids that another one with the same vocabulary has padded. */
  repad(ids: number[]): number[] {
    const end = ids.indexOf(this.frame[1][0], 1);
    return end === -1 ? ids : ids.map((id, i) => (i > end ? this.padId : id));
  }

  /** The words of a text that the model does not get, each once; [] for byte-pair vocabularies, which know all words. */
  unknownWords(text: string): string[] {
    return this.words?.unknown(text) ?? [];
  }

  private idsOf(text: string): number[] {
    if (this.words) return this.words.tokens(text).map((word) => this.tokenizer.token_to_id(word) as number);
    const { ids }: { ids: number[] } = this.tokenizer.encode(text, { add_special_tokens: false });
    return ids;
  }
}

/** The word list of a tokenizer whose vocabulary is whole words. Its special tokens are not words. */
function wordListOf(tokenizer: HuggingFaceTokenizer, table: WordTable | undefined): WordList {
  const { normalizer, pre_tokenizer } = tokenizer;
  const special = new Set<string>([...tokenizer.get_added_tokens_decoder().values()].map(({ content }) => content));
  const seen = (text: string): string[] => {
    const normalized = normalizer ? normalizer.normalize(text) : text;
    return pre_tokenizer ? pre_tokenizer.pre_tokenize(normalized) : [normalized];
  };
  const list = [...tokenizer.get_vocab(false).keys()].filter((word) => !special.has(word)).sort();
  return new WordList((word) => !special.has(word) && tokenizer.token_to_id(word) !== undefined, seen, table, list);
}

async function readTable(folder: string): Promise<WordTable | undefined> {
  const path = join(folder, 'words.json');
  const json = await readJson(path);
  return json && WordTable.read(json, path);
}

/** CLIP's tables, if this tokenizer.json holds them; other kinds of tokenizers are taken as they are. */
function clipTables({ model }: TokenizerJson): BpeTables | undefined {
  const { end_of_word_suffix, vocab, merges } = model;
  return end_of_word_suffix === '</w>' && merges ? { vocab, merges } : undefined;
}

async function readTables(folder: string): Promise<BpeTables | undefined> {
  const vocab = await readJson<Record<string, number>>(join(folder, 'vocab.json'));
  const merges = await readText(join(folder, 'merges.txt'));
  return vocab && merges !== undefined ? { vocab, merges: parseMerges(merges) } : undefined;
}

function contentOf(token: SpecialToken | undefined): string | undefined {
  return typeof token === 'object' ? token?.content : token;
}

/** Some configs write "unlimited" as a number with thirty digits. */
function lengthOf({ model_max_length: length = 0 }: TokenizerConfig): number {
  return Number.isInteger(length) && length > 0 && length <= 4096 ? length : 77;
}
