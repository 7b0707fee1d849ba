import type { EngineError } from '../../../engine/errors';

/** The format that a source is set to. */
export interface FrameFormat {
  /** Frames per second. */
  fps: number;
  /** Pixels. */
  width: number;
  height: number;
}

/** Facts about one picture that differ from the source's format. */
export interface PictureFacts {
  /** The picture's file, if it has one. */
  filename?: string;
  /** Pixels. */
  width?: number;
  height?: number;
  /** When it was taken, ms since 1970. */
  timestamp?: number;
}

/** The events of a producer. None is emitted after `stop` was called. */
export interface ProducerEvents {
  /** A new picture. */
  frame(jpeg: Buffer, facts?: PictureFacts): void;
  /** There is no picture at the moment, which is not a fault: somebody must provide one. */
  waiting(forWhat: 'visitor' | 'picture'): void;
  /** Something failed. The producer tries again after `retryMs`; without it, it has given up. */
  failed(error: EngineError, retryMs?: number): void;
  /** There are no more pictures: the last one or the end of the video was reached. */
  ended(): void;
}

/** Produces frames from its construction until it is stopped. */
export interface Producer {
  /** Resolves when all its timers and processes have ended. */
  stop(): Promise<void>;
}

export const JPEG_QUALITY = 85;
