import { stackedTensor } from '../../../net/tensor';
import { checkDims, fixedSize, pick } from '../../rows';
import type { ClaimPort, UnetFacts } from './port';
import type { TensorInfo } from '../../../net/net';

/** The input for latents, [B, C, h, w]. @throws EBADMODEL where there is none */
export function sampleInput({ inputs }: Pick<UnetFacts, 'inputs'>): TensorInfo {
  return pick('unet', inputs, 'input', ['sample', 'latent']);
}

/** Fills the latents, [B, C, h, w]; all rows of a run have the same size. */
export const sample: ClaimPort = (unet) => {
  const info = sampleInput(unet);
  const size = fixedSize(info.shape);
  const { batch, factor } = unet;
  const notes: string[] = [];
  if (batch !== undefined) notes.push(`This unet was exported for batches of ${batch}; an export without that limit is faster.`);
  if (size) notes.push(`This unet was exported for pictures of ${size[1] * factor}×${size[0] * factor} only.`);
  return {
    inputs: [info],
    notes,
    keyOf: ({ shape }) => `${shape.height}x${shape.width}`,
    fill({ rows, batch: count, height, width }) {
      const channels = rows[0].sample.length / (height * width);
      const dims = [count, channels, height, width];
      checkDims('unet', info, dims, factor);
      const values = rows.map((row) => row.sample);
      return { [info.name]: stackedTensor(info.type, values, count, dims) };
    },
  };
};
