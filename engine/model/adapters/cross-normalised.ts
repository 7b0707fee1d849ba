import type { Residual } from './residual-sum';

/** The smallest deviation, for a residual that is the same everywhere; as in the published code. */
const LEAST = 1e-12;

/**
 * A residual of a ControlNeXt, resized to the tensor that it is added to and normalised to mean 0 and deviation 1, so that the
 * graph can scale it to the UNet's own. PyTorch's deviation is that of a sample (N − 1).
 *
 * @param size h and w of that tensor
 * @param isPooledFirst whether it is normalised after it was resized, or before
 * @returns [C, h, w]
 */
export function crossNormalised({ data, dims }: Residual, size: [height: number, width: number], isPooledFirst: boolean): Float32Array {
  const pooled = isPooledFirst ? averagePool(data, dims, size) : data;
  const { length } = pooled;
  const mean = pooled.reduce((sum, value) => sum + value, 0) / length;
  const deviation = Math.sqrt(pooled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, length - 1));
  // The graph computes the UNet's own deviation over all N.
  const taken = dims[0] * size[0] * size[1];
  const scale = Math.sqrt(taken / Math.max(1, taken - 1)) / (deviation + LEAST);
  const normalised = pooled.map((value) => (value - mean) * scale);
  return isPooledFirst ? normalised : averagePool(normalised, dims, size);
}

/** As PyTorch's adaptive_avg_pool2d. @param dims [C, h, w] */
function averagePool(data: Float32Array, [channels, height, width]: number[], [toHeight, toWidth]: [number, number]): Float32Array {
  if (height === toHeight && width === toWidth) return data;
  const pooled = new Float32Array(channels * toHeight * toWidth);
  const bounds = (at: number, from: number, to: number): [number, number] => [
    Math.floor((at * from) / to),
    Math.ceil(((at + 1) * from) / to),
  ];
  for (let c = 0, to = 0; c < channels; c++) {
    for (let y = 0; y < toHeight; y++) {
      const [top, bottom] = bounds(y, height, toHeight);
      for (let x = 0; x < toWidth; x++, to++) {
        const [left, right] = bounds(x, width, toWidth);
        let sum = 0;
        for (let row = top; row < bottom; row++)
          for (let column = left; column < right; column++) sum += data[(c * height + row) * width + column];
        pooled[to] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return pooled;
}
