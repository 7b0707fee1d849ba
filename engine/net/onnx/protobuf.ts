import { EngineError } from '../../errors';

/** One field of a protobuf message in memory: a number, or bytes. */
export interface MessageField {
  number: number;
  value: number;
  bytes: Buffer;
  /** The whole field as it is encoded in the message. */
  encoded: Buffer;
}

/** Fields of one message; {@link fieldsOf} takes a lower limit. */
const MOST_FIELDS = 1_000_000;

/**
 * One field of a protobuf message: an integer from 0 as a varint, or a text or bytes (also those of a message) after their
 * length.
 */
export function field(number: number, value: number | string | Uint8Array): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** A field of four bytes: a float. */
export function float(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(number * 8 + 5), bytes]);
}

/** A message, which is its fields one after the other. */
export function message(...fields: Buffer[]): Buffer {
  return Buffer.concat(fields);
}

/**
 * The fields of a message. Numbers beyond 2^53 lose their lowest bits.
 *
 * @param most the most fields that it may have
 * @throws EBADMODEL for bytes that are not a message, or that have more fields
 */
export function fieldsOf(bytes: Buffer, most = MOST_FIELDS): MessageField[] {
  const fields: MessageField[] = [];
  const reader = new VarintReader(bytes);
  while (reader.at < bytes.length) {
    const head = reader.at;
    const key = reader.next();
    const [number, wireType] = [Math.floor(key / 8), key % 8];
    const value = wireType === 0 ? reader.next() : 0;
    const length = { 0: 0, 1: 8, 2: -1, 5: 4 }[wireType];
    if (length === undefined || number === 0) throw damaged(`byte ${head} begins no field`);
    const start = length < 0 ? reader.skip(reader.next()) : reader.skip(length);
    fields.push({ number, value, bytes: bytes.subarray(start, reader.at), encoded: bytes.subarray(head, reader.at) });
    if (fields.length > most) throw damaged(`more than ${most} fields`);
  }
  return fields;
}

/**
 * The numbers of a packed field, one varint after the other.
 *
 * @throws EBADMODEL for more than `most`, or bytes that are not numbers
 */
export function varintsOf(bytes: Buffer, most = MOST_FIELDS): number[] {
  const values: number[] = [];
  const reader = new VarintReader(bytes);
  while (reader.at < bytes.length) {
    if (values.push(reader.next()) > most) throw damaged(`more than ${most} numbers`);
  }
  return values;
}

function damaged(how: string): EngineError {
  return new EngineError('EBADMODEL', `a part of it is damaged: ${how}`);
}

class VarintReader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  next(): number {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    throw damaged(`no number ends at byte ${this.at}`);
  }

  /** Skips bytes. @returns the position where they begin */
  skip(length: number): number {
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw damaged(`a field ends at byte ${this.at} of ${this.bytes.length}`);
    return start;
  }
}

/** Seven bits per byte, lowest first; the highest bit says that more follow. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}
