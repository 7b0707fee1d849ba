import type { EngineError } from '../../engine/errors';
import type { RawImage } from '../../engine/types';

/** A frame on its way in: a picture of the wanted size, or why there is none. */
export type Frame = { name: string; image: RawImage } | { name: string; error: EngineError };

/** Where frames come from. */
export interface FrameSource {
  /** How many there are; for videos, about so many. Undefined when nobody knows. */
  readonly count: number | undefined;
  /** Frames one after the other, filling width × height; what protrudes is cropped. Names are unique. */
  frames(width: number, height: number): AsyncIterable<Frame>;
}

/** Where rendered frames go. */
export interface FrameSink {
  write(name: string, image: RawImage): Promise<void>;
  /** All are written: completes what is to be completed. */
  finish(): Promise<void>;
  /** Takes away what would be half of a whole. */
  abandon(): Promise<void>;
}
