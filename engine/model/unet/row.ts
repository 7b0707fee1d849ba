import type { PromptEmbeds } from '../../prompt/prompt-embeds';

/** One latent to denoise, at its own timestep and under its own conditioning. */
export interface UnetRow {
  /** [C, h, w] */
  sample: Float32Array;
  shape: { height: number; width: number };
  timestep: number;
  conditioning: PromptEmbeds;
  /** w = guidance scale − 1, for a model that was distilled to take it as an input. Default 0, no guidance. */
  guidance?: number;
  /** Identifies the row within its frame; equal for the same step of different frames. */
  place?: string;
  /** The strength of each adapter on this row, by the adapter's name. Default 1. */
  weights?: Readonly<Record<string, number>>;
  /** The pictures of this row's frame as adapters prepared them, by the adapter's name. */
  pictures?: Readonly<Record<string, unknown>>;
}

/** The strength of an adapter on a row: 1 by default, 0 for none. */
export function weightOf({ weights }: Pick<UnetRow, 'weights'>, adapter: string): number {
  return weights?.[adapter] ?? 1;
}

/** How strongly a row sees the picture of its prompt; not at all without one. */
export function pictureStrength({ conditioning, weights }: Pick<UnetRow, 'conditioning' | 'weights'>, adapter: string): number {
  const picture = conditioning.images?.[adapter];
  return picture ? weightOf({ weights }, adapter) * (picture.presence ?? 1) : 0;
}
