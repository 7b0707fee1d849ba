import type { NodeMessage } from 'node-red';
import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import type { FrameId } from '../../../engine/types';

/** `msg.frame`. */
export interface FrameInfo {
  id: FrameId;
  /** Pixels. */
  width: number;
  height: number;
  /** When the picture was taken or, where that is unknown, arrived: ms since 1970. */
  timestamp: number;
  /** The time from the denoiser's input to its output, ms. */
  latencyMs: number;
  /** The `msg.topic` that keys the stream. */
  stream: string;
  /** The seed that was drawn for this frame, where the setting is -1. */
  seed?: number;
}

const CONTENT_TYPES = { jpeg: 'image/jpeg', png: 'image/png', raw: 'application/octet-stream' } as const;

/** A frame's id and time before it is denoised: those of its source, otherwise a running number and the current time. */
export function arrivalOf(msg: NodeMessage, runningNumber: number): Pick<FrameInfo, 'id' | 'timestamp'> {
  const { id, timestamp } = frameOf(msg);
  return {
    id: typeof id === 'string' || typeof id === 'number' ? id : runningNumber,
    timestamp: typeof timestamp === 'number' ? timestamp : Date.now(),
  };
}

/** Puts the finished picture into its frame's message; all other properties stay. */
export function putFrame(msg: NodeMessage, finished: FinishedFrame, arrival: Pick<FrameInfo, 'id' | 'timestamp'>, stream: string): void {
  const { data, format, width, height, latencyMs, seed } = finished;
  // A view, so that the picture's bytes are not copied.
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const frame: FrameInfo = { ...arrival, width, height, latencyMs, stream, ...(seed !== undefined && { seed }) };
  msg.payload = format === 'raw' ? { data: bytes, width, height, channels: 3 } : bytes;
  msg.contentType = CONTENT_TYPES[format];
  msg.frame = { ...frameOf(msg), ...frame };
}

/** The most properties of a frame that are sent to a viewer. */
const MOST_FACTS = 32;
const MOST_LETTERS = 1000;

/** The numbers and short texts in `msg.frame`: enough for a viewer, and always valid JSON. */
export function frameFacts(msg: NodeMessage): Record<string, string | number> {
  const isFact = ([, value]: [string, unknown]): boolean =>
    (typeof value === 'string' && value.length <= MOST_LETTERS) || typeof value === 'number';
  return Object.fromEntries(Object.entries(frameOf(msg)).filter(isFact).slice(0, MOST_FACTS)) as Record<string, string | number>;
}

function frameOf(msg: NodeMessage): Record<string, unknown> {
  return typeof msg.frame === 'object' && msg.frame !== null ? { ...msg.frame } : {};
}
