import type { NodeMessage } from 'node-red';
import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import type { ControlSettings } from './settings';

/** Puts the map into its frame's message: under its name beside the picture, or instead of the picture. */
export function putMap(msg: NodeMessage, { data, format }: FinishedFrame, { picture, replaces }: ControlSettings): void {
  // A view, so that the picture's bytes are not copied.
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (replaces) {
    msg.payload = bytes;
    msg.contentType = `image/${format}`;
    return;
  }
  const { pictures } = msg;
  // A new object is made, since another branch of the flow may share the old one.
  const others = typeof pictures === 'object' && pictures !== null && !Array.isArray(pictures) ? pictures : {};
  msg.pictures = { ...others, [picture]: bytes };
}
