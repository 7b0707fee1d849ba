import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import { codecPool, controlPool } from '../../../engine/image/codec-pool';
import { USUAL_SETTINGS } from '../../../engine/image/control/maps';
import type { Picture } from '../../../engine/image/picture';

/** What is done about a picture that is not for everybody. */
export const VEILS = ['off', 'hold', 'blur', 'black'] as const;
export type Veil = Exclude<(typeof VEILS)[number], 'off'>;

/** The blur, as a part of the shorter side: nothing can be made out any more but colours. */
const BLUR = 1 / 12;
const QUALITY = 85;

/**
 * What is shown in the place of a frame, of its size; a PNG becomes a JPEG.
 *
 * @param good the last picture that was shown, if there is one
 */
export async function veiled(frame: FinishedFrame, veil: Veil, good: FinishedFrame | undefined): Promise<FinishedFrame> {
  const { width, height, format } = frame;
  if (veil === 'hold' && good) return { ...good, latencyMs: frame.latencyMs, data: Uint8Array.from(good.data) };
  const picture = veil === 'blur' ? await blurred(frame) : black(width, height);
  if (format === 'raw') return { ...frame, data: (await codecPool.decode(picture, width, height)).data };
  return { ...frame, format: 'jpeg', data: await codecPool.toJpeg(picture, { quality: QUALITY }) };
}

async function blurred({ data, format, width, height }: FinishedFrame): Promise<Picture> {
  const picture: Picture = format === 'raw' ? { kind: 'raw', data, width, height, channels: 3 } : { kind: 'encoded', data };
  const size = Math.min(width, height);
  const settings = { ...USUAL_SETTINGS.blur, kind: 'blur', invert: false, radius: size * BLUR } as const;
  return { kind: 'encoded', data: (await controlPool.drawControlMap({ picture, size, settings })).data };
}

function black(width: number, height: number): Picture {
  return { kind: 'raw', data: new Uint8Array(3 * width * height), width, height, channels: 3 };
}
