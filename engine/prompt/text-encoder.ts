import { EngineError } from '../errors';
import type { Net, TensorInfo } from '../net/net';
import { LORA_INPUTS } from '../net/onnx/patches/lora';
import { floatsOf, tensorOf } from '../net/tensor';
import { type PromptEmbeds, emphasize } from './prompt-embeds';
import { parsePromptWeights } from './prompt-weights';
import { PromiseCache } from './promise-cache';
import type { Tokenizer } from './tokenizer';
import { quote } from '../util/quote';

/** How many embeddings are kept: a show's worth of prompts. 77 tokens of width 1024 are 308 KiB each. */
const cacheSize = 64;
/** The most ids of a prompt and values of an embedding: CLIP has 77 and 768 to 1280, the largest text encoders 512 and 4096. */
const MOST_TOKENS = 4096;
export const LARGEST_WIDTH = 16_384;

/** Turns texts or token ids into conditionings, by one net or two. */
export interface PromptNet {
  /** The number of ids of a prompt, padding included. */
  readonly tokens: number;
  /** Width of an embedding. */
  readonly width: number;
  /** Whether it can read texts. */
  readonly readsTexts: boolean;
  /** Names of the LoRAs that change it. */
  readonly loras: readonly string[];
  /** The same net with other strengths of these; those that are not named have 1. */
  under(weights: Readonly<Record<string, number>>): PromptNet;
  /** A conditioning of zeros in the model's shape, [tokens, width], to warm a UNet up, not to render with. */
  blank(): PromptEmbeds;
  /**
   * The embedding of a text, [tokens, width]; `(word:1.2)` gives a word another weight.
   * Rejects with EBADPROMPT when the model has no tokenizer.
   */
  encodeText(text: string): Promise<PromptEmbeds>;
  /**
   * The embedding of token ids that are already padded to the model's length, [tokens, width].
   * Rejects with EBADPROMPT when there are more or fewer, or the vocabulary does not have one.
   */
  encodeTokens(ids: number[]): Promise<PromptEmbeds>;
  /** Sentences on the parts of a text that the model does not see. */
  warnings(text: string): string[];
  /** The prompt with the words that the model's list adds where the prompt leaves something open. */
  complete(text: string): string;
}

/** Which outputs of a net make a conditioning. */
export interface TextOutputs {
  /** The last layer's, or the last but one's, which models with two text encoders were trained on. */
  hiddenStates: 'last' | 'penultimate';
  /** Whether the embedding of the whole prompt is included. */
  pooled: boolean;
}

/** A text encoder net. Embeddings are kept, so the net does not run while the prompts stay the same. */
export class TextEncoder implements PromptNet {
  readonly tokens: number;
  readonly width: number;
  readonly loras: readonly string[];

  private readonly input: TensorInfo;
  private readonly output: TensorInfo;
  /** The output for the whole prompt, and how wide it is. */
  private readonly pooled: { name: string; width: number } | undefined;
  /** Ids from this one up are unknown to the net. */
  private readonly vocabSize: number;
  /** Conditionings by token ids. */
  private readonly cache = new PromiseCache<PromptEmbeds>(cacheSize);

  /**
   * @param tokenizer undefined for a model without one, which then takes token ids only
   * @param config gives what the net itself leaves open
   * @throws EBADMODEL when the net is not a text encoder
   */
  constructor(
    private readonly net: Net,
    readonly tokenizer: Tokenizer | undefined,
    private readonly config: { max_position_embeddings?: unknown; hidden_size?: unknown; vocab_size?: unknown; projection_dim?: unknown },
    private readonly outputs: TextOutputs = { hiddenStates: 'last', pooled: false },
    private readonly weights: Readonly<Record<string, number>> = {},
  ) {
    const input = net.inputs.find(({ name }) => name === 'input_ids') ?? net.inputs[0];
    const output = outputs.hiddenStates === 'last' ? lastHiddenState(net.outputs) : penultimate(net.outputs);
    const others = net.inputs.filter((one) => one !== input && !one.name.startsWith(LORA_INPUTS));
    if (others.some(({ name }) => name !== 'attention_mask') || !input.type.startsWith('int') || !output) {
      const wanted = outputs.hiddenStates === 'last' ? '"last_hidden_state"' : 'all "hidden_states" (an export with output_hidden_states)';
      throw new EngineError('EBADMODEL', `text_encoder must take "input_ids" and give ${wanted}`);
    }
    if (outputs.pooled) {
      const embeds = net.outputs.find(({ name }) => name === 'text_embeds');
      if (!embeds) throw new EngineError('EBADMODEL', 'text_encoder_2 must give "text_embeds"');
      this.pooled = { name: embeds.name, width: firstSize(LARGEST_WIDTH, embeds.shape[1], config.projection_dim) };
    }
    this.input = input;
    this.loras = net.inputs.flatMap(({ name }) => (name.startsWith(LORA_INPUTS) ? [name.slice(LORA_INPUTS.length)] : []));
    this.output = output;
    this.tokens = firstSize(MOST_TOKENS, input.shape[1], output.shape[1], config.max_position_embeddings, tokenizer?.length);
    this.width = firstSize(LARGEST_WIDTH, output.shape[2], config.hidden_size);
    this.vocabSize = typeof config.vocab_size === 'number' ? config.vocab_size : Infinity;
  }

  get readsTexts(): boolean {
    return this.tokenizer !== undefined;
  }

  under(weights: Readonly<Record<string, number>>): TextEncoder {
    if (this.loras.length === 0) return this;
    return new TextEncoder(this.net, this.tokenizer, this.config, this.outputs, weights);
  }

  blank(): PromptEmbeds {
    const { tokens, width, pooled } = this;
    const blank = { hiddenStates: new Float32Array(tokens * width), tokens, width };
    return pooled ? { ...blank, pooled: new Float32Array(pooled.width) } : blank;
  }

  async encodeText(text: string): Promise<PromptEmbeds> {
    if (!this.tokenizer) {
      throw new EngineError(
        'EBADPROMPT',
        'this model has no tokenizer, so it cannot read texts; pass tokenIds, or add its tokenizer folder',
      );
    }
    const { ids, weights } = this.tokenizer.encodeParts(parsePromptWeights(text), this.tokens);
    const encoded = await this.encodeTokens(ids);
    if (weights.every((weight) => weight === 1)) return encoded;
    return emphasize(encoded, await this.encodeTokens(this.tokenizer.encode('', this.tokens).ids), weights);
  }

  warnings(text: string): string[] {
    if (!this.tokenizer) return [];
    const parts = parsePromptWeights(text);
    const { wanted } = this.tokenizer.encodeParts(parts, this.tokens);
    const unknown = this.tokenizer.unknownWords(parts.map((part) => part.text).join(' '));
    return [
      ...(wanted > this.tokens ? [`The prompt takes ${wanted} tokens, this model reads ${this.tokens}: its end is left out.`] : []),
      ...(unknown.length > 0 ? [`This model does not know: ${unknown.join(', ')}.`] : []),
    ];
  }

  complete(text: string): string {
    const plain = parsePromptWeights(text)
      .map((part) => part.text)
      .join(' ');
    return [text, ...(this.tokenizer?.words?.added(plain) ?? [])].join(', ');
  }

  async encodeTokens(ids: number[]): Promise<PromptEmbeds> {
    if (ids.length !== this.tokens) {
      throw new EngineError(
        'EBADPROMPT',
        `the text encoder takes ${this.tokens} token ids, got ${ids.length}; pad them as the model's tokenizer does`,
      );
    }
    const bad = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= this.vocabSize);
    if (bad !== undefined)
      throw new EngineError('EBADPROMPT', `token ids are whole numbers from 0, below ${this.vocabSize}; got ${quote(bad)}`);
    return this.cache.get(ids.join(), () => this.run(ids));
  }

  async close(): Promise<void> {
    this.cache.clear();
    await this.net.close();
  }

  private async run(ids: number[]): Promise<PromptEmbeds> {
    // An export with a fixed batch of several prompts gets copies of this one.
    const [rows] = this.input.shape;
    const batch = typeof rows === 'number' && rows > 0 ? rows : 1;
    // Diffusion models were trained without a mask: they see the padding, too.
    const values = (name: string): number[] => new Array<number[]>(batch).fill(name === this.input.name ? ids : ids.map(() => 1)).flat();
    const feeds = this.net.inputs.map(({ name, type }) => {
      if (!name.startsWith(LORA_INPUTS)) return [name, tensorOf(type, Float32Array.from(values(name)), [batch, ids.length])] as const;
      const strength = this.weights[name.slice(LORA_INPUTS.length)] ?? 1;
      return [name, tensorOf(type, new Float32Array(batch).fill(strength), [batch])] as const;
    });
    const outputs = await this.net.run(Object.fromEntries(feeds));
    const output = outputs[this.output.name];
    const [, tokens, width] = output.dims;
    const first = (values: Float32Array): Float32Array => values.subarray(0, values.length / batch);
    const conditioning = { hiddenStates: first(floatsOf(output)), tokens, width };
    return this.pooled ? { ...conditioning, pooled: first(floatsOf(outputs[this.pooled.name])) } : conditioning;
  }
}

function lastHiddenState(outputs: TensorInfo[]): TensorInfo | undefined {
  return outputs.find(({ name }) => name === 'last_hidden_state') ?? outputs.find(({ shape }) => shape.length === 3);
}

/** hidden_states.0 is what goes into the first layer, so the last but one of them is what goes into the last layer. */
function penultimate(outputs: TensorInfo[]): TensorInfo | undefined {
  const layer = ({ name }: TensorInfo): number => Number(/^hidden_states\.(\d+)$/.exec(name)?.[1] ?? NaN);
  const layers = outputs.filter((output) => !Number.isNaN(layer(output))).sort((a, b) => layer(a) - layer(b));
  return layers.at(-2);
}

/** The first value that is a size; free dimensions have names instead. */
function firstSize(most: number, ...sizes: unknown[]): number {
  const size = sizes.find((one) => typeof one === 'number' && one > 0);
  if (typeof size === 'number' && Number.isInteger(size) && size <= most) return size;
  if (typeof size === 'number')
    throw new EngineError(
      'EBADMODEL',
      `text_encoder or its config.json says ${size} tokens, or numbers of an embedding; whole numbers up to ${most} can be`,
    );
  throw new EngineError(
    'EBADMODEL',
    'neither text_encoder nor its config.json says how many tokens it takes and how wide its embeddings are',
  );
}
