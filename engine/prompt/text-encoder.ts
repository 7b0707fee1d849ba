import { EngineError } from '../errors';
import type { Net, TensorInfo } from '../net/net';
import { floatsOf } from '../net/tensor';
import type { Conditioning } from './conditioning';
import type { Tokenizer } from './tokenizer';

/** How many embeddings are kept: a show's worth of prompts; 77 tokens of width 1024 are 308 KiB each. */
const cacheSize = 64;

/** Texts or token ids to conditionings. What was encoded once is kept, so the net rests while the prompts stay. */
export class TextEncoder {
  /** Ids a prompt takes, padding included. */
  readonly tokens: number;
  /** Width of an embedding. */
  readonly width: number;

  private readonly input: TensorInfo;
  private readonly output: TensorInfo;
  /** Ids from here on are unknown to the net. */
  private readonly vocabSize: number;
  /** By token ids, least recently used first. Holds promises, so that equal requests share one run. */
  private readonly cache = new Map<string, Promise<Conditioning>>();

  /**
   * @param tokenizer undefined for a model without one, which then takes token ids only
   * @param config says what the net itself leaves free
   * @throws EBADMODEL when the net is no text encoder
   */
  constructor(
    private readonly net: Net,
    readonly tokenizer: Tokenizer | undefined,
    config: { max_position_embeddings?: unknown; hidden_size?: unknown; vocab_size?: unknown },
  ) {
    const input = net.inputs.find(({ name }) => name === 'input_ids') ?? net.inputs[0];
    const output =
      net.outputs.find(({ name }) => name === 'last_hidden_state') ?? net.outputs.find(({ shape }) => shape.length === 3);
    if (net.inputs.length !== 1 || !input.type.startsWith('int') || !output) {
      throw new EngineError('EBADMODEL', 'text_encoder must take "input_ids" alone and give "last_hidden_state"');
    }
    this.input = input;
    this.output = output;
    this.tokens = firstNumber(input.shape[1], output.shape[1], config.max_position_embeddings, tokenizer?.length);
    this.width = firstNumber(output.shape[2], config.hidden_size);
    this.vocabSize = typeof config.vocab_size === 'number' ? config.vocab_size : Infinity;
  }

  /** A conditioning of zeros in the model's shape, [tokens, width]: to warm a UNet up, not to paint with. */
  blank(): Conditioning {
    const { tokens, width } = this;
    return { hiddenStates: new Float32Array(tokens * width), tokens, width };
  }

  /**
   * The embedding of a text, [tokens, width].
   * Rejects with EBADPROMPT when the model has no tokenizer.
   */
  async encodeText(text: string): Promise<Conditioning> {
    if (!this.tokenizer) {
      throw new EngineError(
        'EBADPROMPT',
        'this model has no tokenizer, so it cannot read texts; pass tokenIds, or add its tokenizer folder',
      );
    }
    return this.encodeTokens(this.tokenizer.encode(text, this.tokens).ids);
  }

  /**
   * The embedding of token ids that are already padded to the model's length, [tokens, width].
   * Rejects with EBADPROMPT when there are more or fewer, or the vocabulary does not have one.
   */
  async encodeTokens(ids: number[]): Promise<Conditioning> {
    if (ids.length !== this.tokens) {
      throw new EngineError(
        'EBADPROMPT',
        `the text encoder takes ${this.tokens} token ids, got ${ids.length}; pad them as the model's tokenizer does`,
      );
    }
    const bad = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= this.vocabSize);
    if (bad !== undefined)
      throw new EngineError('EBADPROMPT', `token ids are whole numbers from 0, below ${this.vocabSize}; got ${bad}`);
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
    const feed =
      type === 'int64' ? { type, data: BigInt64Array.from(ids, BigInt), dims } : { type, data: Int32Array.from(ids), dims };
    const outputs = await this.net.run({ [name]: feed });
    const output = outputs[this.output.name];
    const [, tokens, width] = output.dims;
    return { hiddenStates: floatsOf(output), tokens, width };
  }
}

/** The first that is a size; the sizes of free dimensions are names. */
function firstNumber(...sizes: unknown[]): number {
  const size = sizes.find((one) => typeof one === 'number' && one > 0);
  if (typeof size === 'number') return size;
  throw new EngineError(
    'EBADMODEL',
    'neither text_encoder nor its config.json says how many tokens it takes and how wide its embeddings are',
  );
}
