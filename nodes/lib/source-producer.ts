import type { EngineError } from '../../engine/errors';

/** What a source is asked to make. */
export interface FrameFormat {
  /** Frames per second. */
  fps: number;
  /** Pixels. */
  width: number;
  height: number;
}

/** What a producer tells its source. Nothing is told after its `stop` was called. */
export interface ProducerEvents {
  /** A new picture; `filename` when it came from a file of its own. */
  frame(jpeg: Buffer, filename?: string): void;
  /** Something failed. `retryMs`: it tries again after that time; without it the producer has given up. */
  failed(error: EngineError, retryMs?: number): void;
  /** Nothing more will come: the last picture or the end of the video was reached. */
  ended(): void;
}

/** Makes frames from the moment it is built until it is stopped. */
export interface Producer {
  /** Resolves when nothing of it is left: no timer, no process. */
  stop(): Promise<void>;
}

export const JPEG_QUALITY = 85;
