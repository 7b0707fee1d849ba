import type { PromptEmbeds } from './prompt-embeds';
import type { PromptNet, TextEncoder } from './text-encoder';

/**
 * The two text encoders of an SDXL model as one: their embeddings side by side, [tokens, width₁ + width₂], and the
 * second one's embedding of the whole prompt.
 */
export class DualTextEncoder implements PromptNet {
  readonly tokens: number;
  readonly width: number;

  constructor(
    private readonly first: TextEncoder,
    private readonly second: TextEncoder,
  ) {
    this.tokens = first.tokens;
    this.width = first.width + second.width;
  }

  get loras(): readonly string[] {
    return [...new Set([...this.first.loras, ...this.second.loras])];
  }

  under(weights: Readonly<Record<string, number>>): DualTextEncoder {
    return this.loras.length === 0 ? this : new DualTextEncoder(this.first.under(weights), this.second.under(weights));
  }

  get readsTexts(): boolean {
    return this.first.readsTexts && this.second.readsTexts;
  }

  blank(): PromptEmbeds {
    return join(this.first.blank(), this.second.blank());
  }

  async encodeText(text: string): Promise<PromptEmbeds> {
    return join(await this.first.encodeText(text), await this.second.encodeText(text));
  }

  /** @param ids padded by the first tokenizer; where the second one pads differently, they are padded again for it */
  async encodeTokens(ids: number[]): Promise<PromptEmbeds> {
    const first = await this.first.encodeTokens(ids);
    return join(first, await this.second.encodeTokens(this.second.tokenizer?.repad(ids) ?? ids));
  }

  warnings(text: string): string[] {
    return this.first.warnings(text);
  }

  complete(text: string): string {
    return this.first.complete(text);
  }
}

function join(first: PromptEmbeds, second: PromptEmbeds): PromptEmbeds {
  const { tokens } = first;
  const width = first.width + second.width;
  const hiddenStates = new Float32Array(tokens * width);
  for (let token = 0; token < tokens; token++) {
    const row = <T extends PromptEmbeds>({ hiddenStates, width }: T): Float32Array =>
      hiddenStates.subarray(token * width, (token + 1) * width);
    hiddenStates.set(row(first), token * width);
    hiddenStates.set(row(second), token * width + first.width);
  }
  return { hiddenStates, tokens, width, ...(second.pooled && { pooled: second.pooled }) };
}
