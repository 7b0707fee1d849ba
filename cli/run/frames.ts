import type { EngineError } from '../../engine/errors';
import type { RawImage } from '../../engine/types';

/** An incoming frame: a picture of the wanted size, or the error if it cannot be read. */
export type Frame = { name: string; image: RawImage } | { name: string; error: EngineError };

/** A source of frames. */
export interface FrameSource {
  /** The number of frames, approximate for videos; undefined when it is unknown. */
  readonly count: number | undefined;
  /** The frames in order, scaled and cropped to fill width × height. Names are unique. */
  frames(width: number, height: number): AsyncIterable<Frame>;
}

/** A destination of rendered frames. */
export interface FrameSink {
  write(name: string, image: RawImage): Promise<void>;
  /** All are written: completes what is to be completed. */
  finish(): Promise<void>;
  /** Takes away what would be half of a whole. */
  abandon(): Promise<void>;
}
