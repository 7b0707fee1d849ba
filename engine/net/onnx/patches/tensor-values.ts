import { fromFloat16 } from '../../float16';
import { fieldsOf } from '../protobuf';

/** The most values that are read: sizes, indices and scales have fewer. */
const MOST_VALUES = 64;

/** TensorProto { name 8 }. */
export function tensorName(tensor: Buffer): string {
  return (
    fieldsOf(tensor)
      .find(({ number }) => number === 8)
      ?.bytes.toString('utf8') ?? ''
  );
}

/**
 * The numbers of a small tensor, row-major; undefined where it is large, external or of another type than float32,
 * float16, double, int32 or int64.
 *
 * TensorProto { data_type 2, float_data 4, int32_data 5, int64_data 7, raw_data 9, double_data 10, data_location 14 }.
 */
export function tensorValues(tensor: Buffer): number[] | undefined {
  const fields = fieldsOf(tensor);
  const all = (number: number): Buffer[] => fields.filter((one) => one.number === number).map(({ bytes }) => bytes);
  const type = fields.find(({ number }) => number === 2)?.value;
  if (fields.some(({ number, value }) => number === 14 && value !== 0)) return undefined;
  const raw = all(9)[0];
  const values = raw ? rawValues(raw, type) : listed(fields, type);
  return values && values.length <= MOST_VALUES ? values : undefined;

  function listed(every: typeof fields, kind: number | undefined): number[] | undefined {
    if (kind === 7 || kind === 6)
      return every.flatMap(({ number, value, bytes }) =>
        number !== kind - (kind === 6 ? 1 : 0) ? [] : bytes.length > 0 ? varints(bytes) : [value],
      );
    if (kind === 1) return all(4).flatMap((bytes) => rawValues(bytes, 1) ?? []);
    return kind === 11 ? all(10).flatMap((bytes) => rawValues(bytes, 11) ?? []) : undefined;
  }
}

function rawValues(bytes: Buffer, type: number | undefined): number[] | undefined {
  const every = (size: number, read: (at: number) => number): number[] =>
    Array.from({ length: Math.floor(bytes.length / size) }, (_, k) => read(k * size));
  if (bytes.length > 8 * MOST_VALUES) return undefined;
  switch (type) {
    case 1:
      return every(4, (at) => bytes.readFloatLE(at));
    case 6:
      return every(4, (at) => bytes.readInt32LE(at));
    case 7:
      return every(8, (at) => Number(bytes.readBigInt64LE(at)));
    case 10:
      return [...fromFloat16(Uint16Array.from(every(2, (at) => bytes.readUInt16LE(at))))];
    case 11:
      return every(8, (at) => bytes.readDoubleLE(at));
    default:
      return undefined;
  }
}

/** Packed varints of 64 bits in two's complement: −1 takes ten bytes. */
function varints(bytes: Buffer): number[] {
  const values: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    values.push(Number(BigInt.asIntN(64, value)));
    value = shift = 0n;
  }
  return values;
}
