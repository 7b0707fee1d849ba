import type { NodeMessage } from 'node-red';
import { isPictureText } from './texts';

/** Longer payloads are files. */
const MAX_BYTES = 40_000;
/** What of a prompt encoder's properties a payload may have in it. */
const NAMES = ['prompt', 'negativePrompt', 'pictures', 'blend', 'transition'] as const;
/** Control characters that no text has: not tabs, ends of lines, nor those of the second set. */
const CONTROLS = /(?![\t-\r\x7f-\x9f])\p{Cc}/u;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** What a payload says to a prompt encoder. */
export type Said = Partial<Record<(typeof NAMES)[number], unknown>>;

/**
 * What a message's payload says when it is not a picture: a text, the same in a Buffer as MQTT and TCP nodes send it, or an object
 * with `prompt` and the like, which may be JSON in such a text.
 */
export function saidIn({ payload }: NodeMessage): Said | undefined {
  if (isSaying(payload)) return payload;
  const text = payload instanceof Uint8Array ? textOf(payload) : payload;
  if (typeof text !== 'string' || text === '' || isPictureText(text)) return undefined;
  return jsonIn(text) ?? { prompt: text };
}

/** An object with a prompt, or pictures for one, is not a picture, whatever else it has. */
function isSaying(value: unknown): value is Said {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || Array.isArray(value)) return false;
  return ['prompt', 'negativePrompt', 'pictures'].some((name) => name in value) && !('data' in value) && !('bitmap' in value);
}

/** Files begin with bytes that no text has, or have them soon. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0 || bytes.length > MAX_BYTES) return undefined;
  try {
    const text = utf8.decode(bytes);
    return CONTROLS.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function jsonIn(text: string): Said | undefined {
  if (!/^\s*\{/.test(text) || text.length > MAX_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isSaying(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
