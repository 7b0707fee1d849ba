import type { Residual } from './residual-sum';

/** Where a residual is the same everywhere, it has no deviation. As in the published code. */
const LEAST = 1e-12;

/**
 * A residual of a ControlNeXt at the size of what it is added to, with mean 0 and deviation 1, so that the UNet gives it its own. The
 * deviations that PyTorch computes are those of samples (N − 1).
 *
 * @param size h and w there
 * @param isPooledFirst whether it has mean and deviation after it was made smaller, or before
 * @returns [C, h, w]
 */
export function crossNormalised({ data, dims }: Residual, size: [height: number, width: number], isPooledFirst: boolean): Float32Array {
  const pooled = isPooledFirst ? averagePool(data, dims, size) : data;
  const { length } = pooled;
  const mean = pooled.reduce((sum, value) => sum + value, 0) / length;
  const deviation = Math.sqrt(pooled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, length - 1));
  // The UNet's own deviation is computed in its graph over all N.
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
