import type { EngineError } from '../../../engine/errors';

/** What a source is asked to make. */
export interface FrameFormat {
  /** Frames per second. */
  fps: number;
  /** Pixels. */
  width: number;
  height: number;
}

/** What a producer knows of one picture, where it is not what the source was asked for. */
export interface PictureFacts {
  /** The file, when it came from a file of its own. */
  filename?: string;
  /** Pixels. */
  width?: number;
  height?: number;
  /** When it was taken, ms since 1970. */
  timestamp?: number;
}

/** What a producer tells its source. Nothing is told after its `stop` was called. */
export interface ProducerEvents {
  /** A new picture. */
  frame(jpeg: Buffer, facts?: PictureFacts): void;
  /** There is no picture at the moment, and that is not a fault: somebody has to bring one. */
  waiting(forWhat: 'visitor' | 'picture'): void;
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
