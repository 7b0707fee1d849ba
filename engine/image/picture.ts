import { EngineError } from '../errors';

/** A picture as it crosses a process border: an encoded file, or raw interleaved bytes. */
export type Picture =
  | { kind: 'encoded'; data: Uint8Array }
  | { kind: 'raw'; data: Uint8Array; width: number; height: number; channels: 1 | 3 | 4 };

/** To be written: see the contract, "Frame in". */
export function toPicture(payload: unknown): Picture {
  throw new EngineError('EBADFRAME', `not a picture: ${typeof payload}`);
}
