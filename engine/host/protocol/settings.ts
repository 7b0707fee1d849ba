import { EngineError } from '../../errors';
import { quote } from '../../util/quote';
import type { StreamOptions } from '../../types';
import type { PictureFormat, StreamSettings } from './messages';

const FORMATS: readonly PictureFormat[] = ['jpeg', 'png', 'raw'];

/** How finished pictures are encoded. */
export interface OutputSettings {
  format: PictureFormat;
  /** Of a JPEG, 1..100. */
  quality: number;
}

/**
 * Splits a stream's settings into those of the engine and those of the picture codec.
 *
 * @throws EBADPARAM for a format or quality that cannot work; the engine checks its own options
 */
export function splitSettings({ format = 'jpeg', quality = 85, ...options }: StreamSettings): {
  options: StreamOptions;
  output: OutputSettings;
} {
  if (!FORMATS.includes(format)) {
    throw new EngineError('EBADPARAM', `format must be one of ${FORMATS.join(', ')}; got ${quote(format)}`);
  }
  if (!(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw new EngineError('EBADPARAM', `quality must be a whole number from 1 to 100; got ${quote(quality)}`);
  }
  return { options, output: { format, quality } };
}
