import { EngineError } from '../errors';
import type { Net, TensorInfo } from '../net/net';
import { floatsOf } from '../net/tensor';
import type { Conditioning } from './conditioning';
import type { Tokenizer } from './tokenizer';

/** How many embeddings are kept: a show's worth of prompts; 77 tokens of width 1024 are 308 KiB each. */
const cacheSize = 64;

/** Texts or token ids to conditionings. What was encoded once is kept, so the net rests while the prompts stay. */
export class TextEncoder {
  /** Width of the embeddings; undefined when the export leaves it free. */
  readonly width: number | undefined;

  private readonly input: TensorInfo;
  private readonly output: TensorInfo;
  private readonly length: number | undefined;
  /** By token ids, least recently used first. Holds promises, so that equal requests share one run. */
  private readonly cache = new Map<string, Promise<Conditioning>>();

  /** Throws EBADMODEL when the net is no text encoder. */
  constructor(
    private readonly net: Net,
    private readonly tokenizer?: Tokenizer,
    maxPositionEmbeddings?: number,
  ) {
    const input = net.inputs.find(({ name }) => name === 'input_ids') ?? net.inputs[0];
    const output = net.outputs.find(({ name }) => name === 'last_hidden_state') ?? net.outputs.find(({ shape }) => shape.length === 3);
    if (net.inputs.length !== 1 || !input.type.startsWith('int') || !output) {
      throw new EngineError('EBADMODEL', 'text_encoder must take "input_ids" alone and give "last_hidden_state"');
    }
    this.input = input;
    this.output = output;
    const [, tokens] = input.shape;
    this.length = typeof tokens === 'number' ? tokens : maxPositionEmbeddings;
    const width = output.shape[2];
    this.width = typeof width === 'number' ? width : undefined;
  }

  /**
   * The embedding of a text, [tokens, width].
   * Rejects with EBADPROMPT when the model has no tokenizer.
   */
  async encodeText(text: string): Promise<Conditioning> {
    if (!this.tokenizer) {
      throw new EngineError('EBADPROMPT', 'this model has no tokenizer, so it cannot read texts; pass tokenIds, or add its tokenizer folder');
    }
    return this.encodeTokens(this.tokenizer.encode(text).ids);
  }

  /**
   * The embedding of token ids that are already padded to the model's length, [tokens, width].
   * Rejects with EBADPROMPT when there are more or fewer.
   */
  async encodeTokens(ids: number[]): Promise<Conditioning> {
    const expected = this.length ?? ids.length;
    if (ids.length !== expected || expected === 0) {
      throw new EngineError('EBADPROMPT', `the text encoder takes ${expected} token ids, got ${ids.length}; pad them as the model's tokenizer does`);
    }
    const key = ids.join();
    const kept = this.cache.get(key);
    const encoded = kept ?? this.run(ids);
    this.cache.delete(key);
    this.cache.set(key, encoded);
    if (kept) return kept;
    if (this.cache.size > cacheSize) this.cache.delete(this.cache.keys().next().value as string);
    encoded.catch(() => this.cache.delete(key));
    return encoded;
  }

  async close(): Promise<void> {
    this.cache.clear();
    await this.net.close();
  }

  private async run(ids: number[]): Promise<Conditioning> {
    const dims = [1, ids.length];
    const { name, type } = this.input;
    const feed = type === 'int64' ? { type, data: BigInt64Array.from(ids, BigInt), dims } : { type, data: Int32Array.from(ids), dims };
    const outputs = await this.net.run({ [name]: feed });
    const output = outputs[this.output.name];
    const [, tokens, width] = output.dims;
    return { hiddenStates: floatsOf(output), tokens, width };
  }
}
