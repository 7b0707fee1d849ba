/** One field of a protobuf message in memory: a number, or bytes. */
export interface MessageField {
  number: number;
  value: number;
  bytes: Buffer;
}

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

/** The fields of a whole message that is known to be sound. Numbers beyond 2^53 lose their lowest bits. */
export function fieldsOf(bytes: Buffer): MessageField[] {
  const fields: MessageField[] = [];
  const reader = new VarintReader(bytes);
  while (reader.at < bytes.length) {
    const key = reader.next();
    const [number, wireType] = [Math.floor(key / 8), key % 8];
    const value = wireType === 0 ? reader.next() : 0;
    const length = wireType === 2 ? reader.next() : wireType === 1 ? 8 : wireType === 5 ? 4 : 0;
    fields.push({ number, value, bytes: bytes.subarray(reader.at, reader.at + length) });
    reader.at += length;
  }
  return fields;
}

/** The numbers of a packed field, one varint behind the other. */
export function varintsOf(bytes: Buffer): number[] {
  const values: number[] = [];
  const reader = new VarintReader(bytes);
  while (reader.at < bytes.length) values.push(reader.next());
  return values;
}

class VarintReader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  next(): number {
    let value = 0;
    for (let shift = 0; ; shift++) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (!(byte >= 0x80)) return value;
    }
  }
}

/** Seven bits a byte, lowest first; the highest bit says that more follow. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}
