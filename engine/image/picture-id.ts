import { createHash } from 'node:crypto';
import type { Picture } from './picture';

/** A picture's id, 64 hexadecimal digits made from its content: the same bytes in the same layout have the same id. */
export function pictureId(picture: Picture): string {
  const layout = picture.kind === 'raw' ? `${picture.width}x${picture.height}x${picture.channels}${picture.isBgr ? 'bgr' : ''}` : '';
  return createHash('sha256').update(`${picture.kind}/${layout}/`).update(picture.data).digest('hex');
}

/** Whether a value has the form of a {@link pictureId}. */
export function isPictureId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
