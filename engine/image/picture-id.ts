import { createHash } from 'node:crypto';
import type { Picture } from './picture';

/** A picture's name by its content, 64 hexadecimal digits: the same bytes in the same layout have the same one. */
export function pictureId(picture: Picture): string {
  const layout = picture.kind === 'raw' ? `${picture.width}x${picture.height}x${picture.channels}${picture.isBgr ? 'bgr' : ''}` : '';
  return createHash('sha256').update(`${picture.kind}/${layout}/`).update(picture.data).digest('hex');
}

/** Whether this is how {@link pictureId} names pictures. */
export function isPictureId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
