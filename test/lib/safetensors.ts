import { toFloat16 } from '../../engine/net/float16';
import { readNumbers, readSafetensors } from '../../engine/net/safetensors';

export interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The bytes of a .safetensors file: 8 bytes with the length of the header, the header as JSON, and the values. */
export function safetensors(header: Record<string, unknown>, values: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, values]);
}

export type Tensors = Record<string, { shape: number[]; data: Float32Array }>;

/** The tensors in a file. */
export async function tensorsOf(path: string): Promise<Tensors> {
  const file = await readSafetensors(path);
  const entries = [...file.tensors.values()].map(
    async (tensor) => [tensor.name, { shape: tensor.shape, data: await readNumbers(file, tensor) }] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** A file of these tensors, in one element type. */
export function tensorFile(tensors: Tensors, dtype: 'F32' | 'F16' | 'BF16' = 'F32', metadata?: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const bytes = encoded(data, dtype);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
    parts.push(bytes);
  }
  return safetensors(header, Buffer.concat(parts));
}

function encoded(data: Float32Array, dtype: 'F32' | 'F16' | 'BF16'): Buffer {
  const bytes = (view: Uint16Array | Float32Array): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  if (dtype === 'F32') return bytes(data);
  if (dtype === 'F16') return bytes(toFloat16(data));
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  // Values are rounded to nearest, ties to even.
  return bytes(Uint16Array.from(words, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16));
}
