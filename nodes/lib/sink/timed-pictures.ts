/**
 * Pictures with their times, for ffmpeg to read from a pipe: the few elements of a live Matroska stream that carry JPEGs
 * (RFC 9559, sections 5.1 and 15). A stream of bare JPEGs has no times; ffmpeg would take them from the wall clock, which may be
 * set meanwhile.
 */

/** The shortest interval of pictures, and the duration of the last one, ns: a sixtieth of a second. */
const DEFAULT_DURATION = 16_666_667;
const MILLISECOND = 1_000_000;
const UNKNOWN_LENGTH = Buffer.from('01ffffffffffffff', 'hex');

/** The stream's header, with the size in pixels. */
export function timedPicturesHead(width: number, height: number): Buffer {
  const track = [
    element('d7', number(1)), // track number
    element('73c5', number(1)), // its identity
    element('83', number(1)), // video
    element('23e383', number(DEFAULT_DURATION)),
    element('86', Buffer.from('V_MJPEG')),
    element('e0', element('b0', number(width)), element('ba', number(height))),
  ];
  return Buffer.concat([
    element('1a45dfa3', element('4282', Buffer.from('matroska'))),
    Buffer.from('18538067', 'hex'), // the segment, without an end
    UNKNOWN_LENGTH,
    element('1549a966', element('2ad7b1', number(MILLISECOND))), // the unit of times
    element('1654ae6b', element('ae', ...track)),
  ]);
}

/** A picture that is shown from `milliseconds` on, by any increasing clock. The JPEG is copied. */
export function timedPicture(jpeg: Buffer, milliseconds: number): Buffer {
  // A block of track 1: a key frame at its cluster's own time.
  const block = element('a3', Buffer.from([0x81, 0, 0, 0x80]), jpeg);
  return element('1f43b675', element('e7', number(milliseconds)), block);
}

/** An element: its id, the length of its content, its content. */
function element(identity: string, ...contents: Buffer[]): Buffer {
  const length = number(contents.reduce((sum, { length }) => sum + length, 0));
  // The leading 1 means that the length takes eight bytes.
  length[0] = 0x01;
  return Buffer.concat([Buffer.from(identity, 'hex'), length, ...contents]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.round(value)));
  return bytes;
}
