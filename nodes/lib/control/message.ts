import type { NodeMessage } from 'node-red';
import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import type { ControlSettings } from './settings';

/** Puts the map into the message that its frame came with: beside the picture, under its name, or in the place of it. */
export function putMap(msg: NodeMessage, { data, format }: FinishedFrame, { picture, replaces }: ControlSettings): void {
  // A view: the bytes of a picture are not copied.
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (replaces) {
    msg.payload = bytes;
    msg.contentType = `image/${format}`;
    return;
  }
  const { pictures } = msg;
  // A new object: another branch of the flow may have the same one.
  const others = typeof pictures === 'object' && pictures !== null && !Array.isArray(pictures) ? pictures : {};
  msg.pictures = { ...others, [picture]: bytes };
}
