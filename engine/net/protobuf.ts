/**
 * One field of a protobuf message: a whole number from 0 as a varint, a text or bytes (also those of a message) with
 * their length before them.
 */
export function field(number: number, value: number | string | Uint8Array): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** Fields behind each other, which is all that a message is. */
export function message(...fields: Buffer[]): Buffer {
  return Buffer.concat(fields);
}

/** Seven bits a byte, lowest first; the highest bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}
