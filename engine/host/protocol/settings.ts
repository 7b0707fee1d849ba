import type { StreamOptions } from '../../types';
import { checkSetting, choiceSetting, numberSetting } from '../../util/setting';
import type { PictureFormat, StreamSettings } from './messages';

/** The range and the default of each setting of finished pictures. */
export const OUTPUT_SETTINGS = {
  format: choiceSetting<PictureFormat>('jpeg', ['jpeg', 'png', 'raw']),
  quality: numberSetting(85, { min: 1, max: 100, integer: true }),
};

/** How finished pictures are encoded. */
export interface OutputSettings {
  format: PictureFormat;
  /** The quality of a JPEG, 1..100. */
  quality: number;
}

/**
 * Splits a stream's settings into those of the engine and those of the picture codec.
 *
 * @throws EBADPARAM for a format or quality that cannot work; the engine checks its own options
 */
export function splitSettings(settings: StreamSettings): { options: StreamOptions; output: OutputSettings } {
  const { format = OUTPUT_SETTINGS.format.default, quality = OUTPUT_SETTINGS.quality.default, ...options } = settings;
  checkSetting(OUTPUT_SETTINGS.format, 'format', format);
  checkSetting(OUTPUT_SETTINGS.quality, 'quality', quality);
  return { options, output: { format, quality } };
}
