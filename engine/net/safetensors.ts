import { openRegular } from '../util/bounded-file';
import { EngineError } from '../errors';
import { kindOf, printable } from '../util/quote';
import { fromFloat16 } from './float16';

/** Element types that can be used; others (int8, float8 …) occur only in files for other purposes. */
export type SafetensorsType = 'F32' | 'F16' | 'BF16' | 'F64' | 'I64' | 'I32';

/** One tensor of a file, and the place of its values, which are row-major and little-endian. */
export interface SafeTensor {
  name: string;
  type: SafetensorsType;
  shape: number[];
  /** The position of its first byte in the file. */
  offset: number;
  /** Its length, bytes. */
  length: number;
}

export interface Safetensors {
  path: string;
  tensors: ReadonlyMap<string, SafeTensor>;
  /** The metadata that the file's author wrote. */
  metadata: Readonly<Record<string, string>>;
}

const SIZES: Record<SafetensorsType, number> = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4 };
/** Bytes per element of the format's other types, so that a file with such tensors can be checked, though they are not used. */
const OTHER_SIZES: Record<string, number> = { BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1, I16: 2, U16: 2, U32: 4, U64: 8 };
/** The largest header, bytes. The format allows 100 MB; adapters have some thousand tensors with a hundred bytes of header each. */
const LARGEST_HEADER = 2 ** 25;
const MOST_TENSORS = 100_000;
const MOST_DIMENSIONS = 8;

/**
 * Reads the header of a .safetensors file (8 bytes with its length, then JSON) but no values, which takes milliseconds even
 * for gigabytes. Checks that every tensor is inside the file, as long as its shape says, and overlaps with no other.
 *
 * Rejects with EBADMODEL when the file is torn, or of another kind.
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const file = await openRegular(path).catch((thrown: unknown) => {
    throw EngineError.from(thrown, 'EBADMODEL');
  });
  try {
    const { size } = await file.stat();
    const wrong = (how: string): EngineError =>
      new EngineError('EBADMODEL', `${printable(path, 1000)} is torn, damaged or not a safetensors file (${how}); download it again`);
    const start = Buffer.alloc(8);
    const { bytesRead } = await file.read(start, 0, 8, 0);
    if (bytesRead < 8) throw wrong(`it has ${size} bytes`);
    if (start.toString('latin1').startsWith('version '))
      throw new EngineError('EBADMODEL', `${printable(path, 1000)} is only a pointer to the file (Git LFS); fetch the file itself`);
    const length = Number(start.readBigUInt64LE());
    if (!(length >= 2 && length <= LARGEST_HEADER && 8 + length <= size))
      throw wrong(`its header would have ${length} bytes, the file has ${size}`);
    const header = Buffer.alloc(length);
    if ((await file.read(header, 0, length, 8)).bytesRead < length) throw wrong('its header ends early');
    return { path, ...parseHeader(header, 8 + length, size, wrong) };
  } finally {
    await file.close();
  }
}

/** The values of a small tensor, such as an alpha. Rejects with EBADMODEL when they cannot be read. */
export async function readNumbers({ path }: Safetensors, tensor: SafeTensor): Promise<Float32Array> {
  const file = await openRegular(path);
  try {
    const bytes = Buffer.alloc(tensor.length);
    const { bytesRead } = await file.read(bytes, 0, tensor.length, tensor.offset);
    if (bytesRead < tensor.length) throw new EngineError('EBADMODEL', `${printable(path, 1000)} became shorter while it was read`);
    return numbers(bytes, tensor.type);
  } finally {
    await file.close();
  }
}

function parseHeader(
  bytes: Buffer,
  dataStart: number,
  size: number,
  wrong: (how: string) => EngineError,
): Pick<Safetensors, 'tensors' | 'metadata'> {
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw wrong('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw wrong('its header is not a JSON object');
  const entries = Object.entries(header);
  if (entries.length > MOST_TENSORS) throw wrong(`it lists ${entries.length} tensors`);
  const tensors = new Map<string, SafeTensor>();
  const ranges: [from: number, to: number][] = [];
  for (const [name, entry] of entries) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const elementSize = typeof dtype === 'string' ? (SIZES[dtype as SafetensorsType] ?? OTHER_SIZES[dtype]) : undefined;
    if (elementSize === undefined) throw wrong(`"${printable(name, 80)}" has the type ${kindOf(dtype)}`);
    if (!isListOfSizes(shape, MOST_DIMENSIONS) || !isListOfSizes(offsets, 2) || offsets.length !== 2)
      throw wrong(`"${printable(name, 80)}" has no shape or no place`);
    const [from, to] = offsets;
    const count = shape.reduce((product, each) => product * each, 1);
    if (from > to || dataStart + to > size) throw wrong(`"${printable(name, 80)}" ends at byte ${dataStart + to} of ${size}`);
    if (to - from !== count * elementSize)
      throw wrong(
        `"${printable(name, 80)}" has ${to - from} bytes, where [${shape.join(', ')}] of ${String(dtype)} has ${count * elementSize}`,
      );
    if (to > from) ranges.push([from, to]);
    tensors.set(name, { name, type: dtype as SafetensorsType, shape, offset: dataStart + from, length: to - from });
  }
  ranges.sort(([a], [b]) => a - b);
  for (let k = 1; k < ranges.length; k++)
    if (ranges[k][0] < ranges[k - 1][1]) throw wrong(`two tensors share byte ${dataStart + ranges[k][0]}`);
  return { tensors, metadata: textsOf((header as Record<string, unknown>).__metadata__) };
}

function isListOfSizes(value: unknown, most: number): value is number[] {
  return Array.isArray(value) && value.length <= most && value.every((each) => Number.isSafeInteger(each) && (each as number) >= 0);
}

function textsOf(metadata: unknown): Record<string, string> {
  if (typeof metadata !== 'object' || metadata === null) return {};
  return Object.fromEntries(Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function numbers(bytes: Buffer, type: SafetensorsType): Float32Array {
  const count = bytes.length / SIZES[type];
  const read: Record<SafetensorsType, (k: number) => number> = {
    F32: (k) => bytes.readFloatLE(4 * k),
    F64: (k) => bytes.readDoubleLE(8 * k),
    F16: (k) => halfToNumber(bytes.readUInt16LE(2 * k)),
    BF16: (k) => {
      const wide = Buffer.alloc(4);
      wide.writeUInt16LE(bytes.readUInt16LE(2 * k), 2);
      return wide.readFloatLE();
    },
    I32: (k) => bytes.readInt32LE(4 * k),
    I64: (k) => Number(bytes.readBigInt64LE(8 * k)),
  };
  return Float32Array.from({ length: count }, (_, k) => read[type](k));
}

function halfToNumber(bits: number): number {
  return fromFloat16(Uint16Array.of(bits))[0];
}
