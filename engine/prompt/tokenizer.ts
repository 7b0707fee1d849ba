import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Texts to token ids, as the model's own tokenizer files say. */
export class Tokenizer {
  private constructor(
    private readonly tokenizer: HuggingFaceTokenizer,
    readonly length: number,
    private readonly padId: number,
  ) {}

  /** The tokenizer in this folder; undefined when there is none. */
  static async load(folder: string): Promise<Tokenizer | undefined> {
    const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8').catch(() => 'null'));
    const json = await read('tokenizer.json');
    const config = await read('tokenizer_config.json');
    if (!json) return undefined;
    const tokenizer = new HuggingFaceTokenizer(json, config);
    return new Tokenizer(tokenizer, config.model_max_length, tokenizer.token_to_id(config.pad_token) ?? 0);
  }

  encode(text: string): { ids: number[]; truncated: boolean } {
    const { ids } = this.tokenizer.encode(text);
    const truncated = ids.length > this.length;
    const kept = truncated ? [...ids.slice(0, this.length - 1), ids[ids.length - 1]] : ids;
    return { ids: [...kept, ...new Array<number>(this.length - kept.length).fill(this.padId)], truncated };
  }
}
