import type { FrameResult } from './messages';

/** The first bytes of each format. */
const SIGNATURES = { jpeg: [0xff, 0xd8, 0xff], png: [0x89, 0x50, 0x4e, 0x47] } as const;

/** Whether an answer is a valid frame. An invalid one comes from a process with corrupted memory. */
export function isValidFrame(result: unknown): result is FrameResult {
  if (typeof result !== 'object' || result === null) return false;
  const { outcome, data, format, width, height } = result as Partial<Record<string, unknown>>;
  if (outcome === 'dropped') return true;
  if (outcome !== 'finished' || !(data instanceof Uint8Array) || !isSize(width) || !isSize(height)) return false;
  if (format === 'raw') return data.length === width * height * 3;
  return (format === 'jpeg' || format === 'png') && SIGNATURES[format].every((byte, i) => data[i] === byte);
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
