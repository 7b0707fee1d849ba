import type { ModelFiles } from '../../../engine/model/files';
import { type NetName, useOf } from '../../../engine/model/roles';
import { wholeIn } from '../../../engine/model/configs';
import type { HeaderNet } from '../../../engine/model/headers';
import type { ModelReport } from '../../../engine/model/folder';

/** The size of a model's pictures, in pixels and in latents. */
export interface Sizes {
  width: number;
  height: number;
  factor: number;
  tokens: number;
  textWidth: number;
  latentChannels: number;
}

/** @param size of the pictures; undefined for the model's own */
export function sizesOf(
  { nets }: ModelFiles,
  { info }: ModelReport,
  textEncoder: HeaderNet | undefined,
  size: { width: number; height: number } | undefined,
): Sizes {
  const { vaeScaleFactor: factor = 8, textWidth = 768, latentChannels = 4 } = info ?? {};
  const side = wholeIn(nets.unet?.config ?? {}, 'sample_size', 64, 1, 1024) * factor;
  const fixedTokens = textEncoder?.inputs[0]?.shape[1];
  const tokens =
    typeof fixedTokens === 'number' ? fixedTokens : wholeIn(nets.text_encoder?.config ?? {}, 'max_position_embeddings', 77, 1, 4096);
  return { width: side, height: side, ...size, factor, tokens, textWidth, latentChannels };
}

/**
 * The inputs' sizes in a run of one row. Sizes that the net leaves free follow from the picture size and the prompt.
 *
 * @param all its own inputs, and those that adapters have added, with the sizes of rows that do not use them
 * @returns undefined when one of them is unknown
 */
export function shapesOf(
  name: NetName,
  { inputs }: Pick<HeaderNet, 'inputs'>,
  sizes: Sizes,
  all = inputs,
): Record<string, number[]> | undefined {
  const { width, height, factor, tokens, textWidth, latentChannels } = sizes;
  const { takes } = useOf(name);
  const latents = [latentChannels, Math.round(height / factor), Math.round(width / factor)];
  const usual = (rank: number): (number | undefined)[] => {
    if (rank === 4) return takes === 'picture' ? [1, 3, height, width] : [1, ...latents];
    if (rank === 3) return [1, tokens, textWidth];
    if (rank === 2) return [1, takes === 'tokens' ? tokens : undefined];
    return new Array<number>(rank).fill(1);
  };
  const shapes = all.map(({ name: input, shape }) => {
    const isOwn = inputs.some((own) => own.name === input);
    return [input, shape.map((size, i) => (typeof size === 'number' ? size : isOwn ? usual(shape.length)[i] : 1))] as const;
  });
  if (shapes.some(([, shape]) => shape.includes(undefined))) return undefined;
  return Object.fromEntries(shapes) as Record<string, number[]>;
}
