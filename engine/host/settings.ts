import { EngineError } from '../errors';
import type { StreamOptions } from '../types';
import type { LiveParams, PictureFormat } from './messages';

const FORMATS: readonly PictureFormat[] = ['jpeg', 'png', 'raw'];

export interface OutputSettings {
  format?: PictureFormat;
  quality?: number;
}

/**
 * Parts the settings of a hosted stream into what the engine and what the picture codec needs.
 *
 * @throws EBADPARAM for a format or quality that cannot work; the engine checks its own options
 */
export function splitSettings({ format, quality, ...options }: LiveParams): { options: Partial<StreamOptions>; output: OutputSettings } {
  if (format !== undefined && !FORMATS.includes(format)) {
    throw new EngineError('EBADPARAM', `format must be one of ${FORMATS.join(', ')}; got ${String(format)}`);
  }
  if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw new EngineError('EBADPARAM', `quality must be a whole number from 1 to 100; got ${String(quality)}`);
  }
  return { options, output: { ...(format && { format }), ...(quality && { quality }) } };
}
