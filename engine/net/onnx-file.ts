import { open, type FileHandle } from 'node:fs/promises';
import { EngineError } from '../errors';
import type { TensorInfo, TensorType } from './net';

/** What an .onnx file says about itself, read without its weights. */
export interface OnnxHeader {
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  /** The kinds of operators it consists of, such as Conv. */
  operators: Set<string>;
  /** Files beside it that hold weights, relative to its folder. */
  externalFiles: string[];
}

/** One protobuf field: a number, or the bytes from `start` to `end` of the file. */
interface Field {
  number: number;
  value: number;
  start: number;
  end: number;
}

/** Element types of onnx.proto's TensorProto.DataType. */
const elementTypes: Record<number, TensorType> = { 1: 'float32', 6: 'int32', 7: 'int64', 10: 'float16' };

/**
 * Reads inputs, outputs and the names of external weight files, in milliseconds also for files of gigabytes: weights are
 * skipped by their length. Field numbers are those of onnx.proto.
 *
 * Rejects with EBADMODEL when the file is torn, or no ONNX file at all.
 */
export async function readOnnxHeader(path: string): Promise<OnnxHeader> {
  const file = await open(path);
  try {
    const reader = new ProtobufReader(file, path);
    const { size } = await file.stat();
    await rejectOtherFiles(reader, path, size);
    let header: OnnxHeader | undefined;
    for await (const field of reader.fields(0, size)) {
      if (field.number === 7) header = await readGraph(reader, field, path);
    }
    if (header) return header;
    throw reader.damaged('it holds no graph');
  } finally {
    await file.close();
  }
}

/** What people put in the place of a model by mistake has well-known beginnings. */
async function rejectOtherFiles(reader: ProtobufReader, path: string, size: number): Promise<void> {
  const beginning = (await reader.text(0, Math.min(size, 40))).trimStart();
  if (beginning.startsWith('version https://git-lfs')) {
    throw new EngineError(
      'EBADMODEL',
      `${path} is only a pointer to the model (Git LFS); fetch the model itself, for example with git lfs pull`,
    );
  }
  if (beginning.startsWith('<')) throw new EngineError('EBADMODEL', `${path} is a web page, not an ONNX file; download it again`);
}

async function readGraph(reader: ProtobufReader, { start, end }: Field, path: string): Promise<OnnxHeader> {
  const header: OnnxHeader = { inputs: [], outputs: [], operators: new Set(), externalFiles: [] };
  const external = new Set<string>();
  const weights = new Set<string>();
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) header.operators.add(await readOperator(reader, field));
    if (field.number === 5) {
      const { name, file } = await readInitializer(reader, field);
      weights.add(name);
      if (file !== undefined) external.add(file);
    }
    if (field.number === 11) header.inputs.push(await readValueInfo(reader, field, path));
    if (field.number === 12) header.outputs.push(await readValueInfo(reader, field, path));
  }
  // Old files list their weights among the inputs.
  header.inputs = header.inputs.filter(({ name }) => !weights.has(name));
  header.externalFiles = [...external];
  return header;
}

/** NodeProto: its op_type (4). */
async function readOperator(reader: ProtobufReader, { start, end }: Field): Promise<string> {
  for await (const field of reader.fields(start, end)) {
    if (field.number === 4) return reader.text(field.start, field.end);
  }
  return '';
}

/** TensorProto: its name (8) and, in external_data (13), the file that holds its values. */
async function readInitializer(reader: ProtobufReader, { start, end }: Field): Promise<{ name: string; file?: string }> {
  let name = '';
  let file: string | undefined;
  for await (const field of reader.fields(start, end)) {
    if (field.number === 8) name = await reader.text(field.start, field.end);
    if (field.number === 13) {
      const [key, value] = await reader.texts(field);
      if (key === 'location') file = value;
    }
  }
  return { name, file };
}

/** ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1, dim_param 2 }}}}}. */
async function readValueInfo(reader: ProtobufReader, { start, end }: Field, path: string): Promise<TensorInfo> {
  let name = '';
  let elementType = 0;
  const shape: (number | string)[] = [];
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) name = await reader.text(field.start, field.end);
    if (field.number !== 2) continue;
    for await (const type of reader.fields(field.start, field.end)) {
      for await (const part of reader.fields(type.start, type.end)) {
        if (part.number === 1) elementType = part.value;
        if (part.number !== 2) continue;
        for await (const dim of reader.fields(part.start, part.end)) shape.push(await readDimension(reader, dim));
      }
    }
  }
  const type = elementTypes[elementType];
  if (!type)
    throw new EngineError(
      'EBADMODEL',
      `${path}: "${name}" has values of a kind (${elementType}) that no diffusion model takes or gives`,
    );
  return { name, type, shape };
}

async function readDimension(reader: ProtobufReader, { start, end }: Field): Promise<number | string> {
  for await (const field of reader.fields(start, end)) {
    if (field.number === 2) return reader.text(field.start, field.end);
    // Some exporters write -1 for a free size, which is a varint of ten bytes.
    if (field.number === 1 && Number.isSafeInteger(field.value)) return field.value;
  }
  return '';
}

/** Walks protobuf messages in a file through a small window, so that skipping a weight reads nothing of it. */
class ProtobufReader {
  private window = Buffer.alloc(0);
  private windowStart = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
  ) {}

  /** The fields of the message from `start` to `end`. */
  async *fields(start: number, end: number): AsyncGenerator<Field> {
    let at = start;
    while (at < end) {
      const key = await this.varint(at, end);
      const [number, wireType] = [Math.floor(key.value / 8), key.value % 8];
      at = key.next;
      const field: Field = { number, value: 0, start: at, end: at };
      if (wireType === 0) {
        const { value, next } = await this.varint(at, end);
        [field.value, field.end] = [value, next];
      } else if (wireType === 2) {
        const { value: length, next } = await this.varint(at, end);
        [field.start, field.end] = [next, next + length];
      } else if (wireType === 1 || wireType === 5) {
        field.end = at + (wireType === 1 ? 8 : 4);
      } else {
        throw this.damaged(`byte ${at} makes no sense`);
      }
      if (field.end > end) throw this.damaged(`something in it goes beyond byte ${end}, where it ends`);
      yield field;
      at = field.end;
    }
  }

  async text(start: number, end: number): Promise<string> {
    return (await this.bytes(start, end - start)).toString('utf8');
  }

  /** All fields of a message of texts. */
  async texts({ start, end }: Field): Promise<string[]> {
    const texts: string[] = [];
    for await (const field of this.fields(start, end)) texts.push(await this.text(field.start, field.end));
    return texts;
  }

  /** Seven bits a byte, lowest first; the highest bit says that more follow. */
  private async varint(at: number, end: number): Promise<{ value: number; next: number }> {
    const bytes = await this.bytes(at, Math.min(10, end - at));
    let value = 0;
    for (let i = 0; i < bytes.length; i++) {
      value += (bytes[i] & 0x7f) * 2 ** (7 * i);
      if (bytes[i] < 0x80) return { value, next: at + i + 1 };
    }
    throw this.damaged(`it ends in the middle of a number, at byte ${end}`);
  }

  private async bytes(start: number, length: number): Promise<Buffer> {
    const offset = start - this.windowStart;
    if (offset >= 0 && offset + length <= this.window.length) return this.window.subarray(offset, offset + length);
    const buffer = Buffer.alloc(Math.max(length, 4096));
    const { bytesRead } = await this.file.read(buffer, 0, buffer.length, start);
    [this.window, this.windowStart] = [buffer.subarray(0, bytesRead), start];
    return this.window.subarray(0, length);
  }

  damaged(how: string): EngineError {
    return new EngineError('EBADMODEL', `${this.path} is torn, damaged or no ONNX file (${how}); download it again`);
  }
}
