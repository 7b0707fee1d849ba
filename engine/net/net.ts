import type { PixelRange } from '../image/brightness';

/** Element types that a net may take or give. float16 travels as its raw 16-bit patterns. */
export type TensorType = 'float32' | 'float16' | 'float64' | 'int64' | 'int32' | 'uint8';

/** What a net says about one input or output. A string in `shape` is a size that is free until a run. */
export interface TensorInfo {
  name: string;
  type: TensorType;
  shape: (number | string)[];
}

/** Dense, row-major values. `dims` is empty for a scalar. */
export interface Tensor {
  type: TensorType;
  data: Float32Array | Uint16Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;
  dims: number[];
  /** Nobody needs the bytes after the run: they may be moved to where the net runs, and are gone here then. */
  movable?: true;
}

/** A picture in the place of its numbers, [1, 3, H, W]: interleaved bytes, a quarter as many as in float32. */
export interface PixelTensor {
  type: 'pixels';
  data: Uint8Array;
  dims: number[];
  /** As of a tensor. */
  movable?: true;
}

/** Which input of a net is fed, or which output is wanted, as pixels. */
export interface Pixels {
  name: string;
  range: PixelRange;
}

/** A neural network that can be called, wherever it runs. */
export interface Net {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  /**
   * One forward pass. The feeds are read, never kept or changed, but for those that are `movable`; the outputs belong to the caller.
   * Rejects with EBADMODEL when the net cannot compute them, with ECLOSED after `close`.
   */
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  /**
   * The same with one input or output as pixels, which are made into numbers, and back, where the net runs: a picture goes
   * to its thread and comes from it in bytes. An output that is no picture, or holds what is no number, stays as it is.
   */
  runPixels?(feeds: Record<string, Tensor | PixelTensor>, pixels: Pixels): Promise<Record<string, Tensor | PixelTensor>>;
  /** Frees the net once a pass under way has ended. Calling it again does nothing. */
  close(): Promise<void>;
}

/** A net on this machine. */
export type LocalNet = Net & Required<Pick<Net, 'runPixels'>>;
