import type { PixelRange } from '../image/brightness';

/** Element types of a net's inputs and outputs. float16 values are passed as raw 16-bit patterns. */
export type TensorType = 'float32' | 'float16' | 'float64' | 'int64' | 'int32' | 'uint8';

/** One input or output as a net declares it. A string in `shape` is a size that is free until a run. */
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
  /** The caller does not need the bytes after the run: they may be moved to the net's thread, which leaves this array empty. */
  movable?: true;
}

/** A picture instead of the tensor that it becomes, [1, 3, H, W]: interleaved bytes, a quarter of the size of float32. */
export interface PixelTensor {
  type: 'pixels';
  data: Uint8Array;
  dims: number[];
  /** As for a {@link Tensor}. */
  movable?: true;
}

/** The input of a net that is fed, or the output that is wanted, as pixels. */
export interface Pixels {
  name: string;
  range: PixelRange;
}

/** A neural network that can be called, wherever it runs. */
export interface Net {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  /**
   * One forward pass. The feeds are read, never kept or changed, except those that are `movable`; the outputs belong to the caller.
   * Rejects with EBADMODEL when the net cannot compute them, with ECLOSED after `close`.
   */
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  /**
   * The same with one input or output as pixels. They are converted to numbers, and back, in the thread that runs the net, so
   * that a picture crosses as bytes. An output that is not a picture, or holds NaN, is returned as a tensor.
   */
  runPixels?(feeds: Record<string, Tensor | PixelTensor>, pixels: Pixels): Promise<Record<string, Tensor | PixelTensor>>;
  /** Frees the net once a pass under way has ended. Calling it again does nothing. */
  close(): Promise<void>;
}

/** A net on this machine. */
export type LocalNet = Net & Required<Pick<Net, 'runPixels'>>;
