import type { PromptEmbeds } from '../../prompt/prompt-embeds';

/** One latent to be denoised: at its own timestep, under its own conditioning. */
export interface UnetRow {
  /** [C, h, w] */
  sample: Float32Array;
  shape: { height: number; width: number };
  timestep: number;
  conditioning: PromptEmbeds;
  /** w = guidance scale − 1, for a model that was distilled to take it as an input. Default 0: none. */
  guidance?: number;
  /** Which of its frame's rows it is; equal for the same step of different frames. */
  place?: string;
  /** Strength of each adapter on this row, by its name; an adapter that is not named has 1. */
  weights?: Readonly<Record<string, number>>;
  /** What the adapters have made of the pictures of this row's frame, by the adapter's name; nothing for a frame without. */
  pictures?: Readonly<Record<string, unknown>>;
}

/** How strongly an adapter works on a row: 1 unless something else was asked for, 0 for not at all. */
export function weightOf({ weights }: Pick<UnetRow, 'weights'>, adapter: string): number {
  return weights?.[adapter] ?? 1;
}

/** How strongly a row sees the picture of its prompt; not at all without one. */
export function pictureStrength({ conditioning, weights }: Pick<UnetRow, 'conditioning' | 'weights'>, adapter: string): number {
  const picture = conditioning.images?.[adapter];
  return picture ? weightOf({ weights }, adapter) * (picture.presence ?? 1) : 0;
}
