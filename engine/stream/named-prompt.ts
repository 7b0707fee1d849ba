import { EngineError } from '../errors';
import { pictureId } from '../image/picture-id';
import type { NamedPrompt } from '../prompt/prompt-encoder';
import type { PromptSpec } from '../prompt/request';
import type { Prompt, RawImage } from '../types';
import { quote } from '../util/quote';

/**
 * Replaces the pictures in a prompt by hashes of their content, and returns the pictures by these names.
 *
 * @throws EBADFRAME for what is not a picture
 */
export function named(prompt: Prompt | PromptSpec): { prompt: NamedPrompt; brought: Map<string, RawImage> } {
  const brought = new Map<string, RawImage>();
  const { images, ...rest } = prompt as Prompt;
  if (!images) return { prompt: rest, brought };
  const ids = Object.entries(images).map(([name, image]: [string, RawImage | string]) => {
    if (typeof image === 'string') return [name, image];
    checkImage(name, image);
    const id = pictureId({ kind: 'raw', ...image });
    brought.set(id, image);
    return [name, id];
  });
  return { prompt: { ...rest, images: Object.fromEntries(ids) as Record<string, string> }, brought };
}

function checkImage(name: string, image: RawImage): void {
  const { data, width = 0, height = 0, channels } = image ?? {};
  const isWhole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (data instanceof Uint8Array && isWhole && channels === 3 && data.length === width * height * 3) return;
  throw new EngineError(
    'EBADFRAME',
    `the picture ${quote(name)} must be { data: Uint8Array of width*height*3 bytes, width, height, channels: 3 }`,
  );
}
