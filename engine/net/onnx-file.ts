import { open } from 'node:fs/promises';
import { EngineError } from '../errors';
import type { TensorInfo, TensorType } from './net';
import { type Field, ProtobufFile } from './protobuf-file';

/** What an .onnx file says about itself, read without its weights. */
export interface OnnxHeader {
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  /** The kinds of operators it consists of: Conv; com.microsoft.NhwcConv for one outside of the ONNX standard. */
  operators: Set<string>;
  /** Whether it takes float16 or computes with float16 weights. Weights that are stored so and cast before use do not count. */
  isHalf: boolean;
  /** Files beside it that hold weights, relative to its folder. */
  externalFiles: string[];
}

/** Operators that do nearly all of the work, with the weights that they take. */
const HEAVY = ['Conv', 'Gemm', 'MatMul'];
const FLOAT16 = 10;

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
    const reader = new ProtobufFile(file, path);
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
async function rejectOtherFiles(reader: ProtobufFile, path: string, size: number): Promise<void> {
  const beginning = (await reader.text(0, Math.min(size, 40))).trimStart();
  if (beginning.startsWith('version https://git-lfs')) {
    throw new EngineError(
      'EBADMODEL',
      `${path} is only a pointer to the model (Git LFS); fetch the model itself, for example with git lfs pull`,
    );
  }
  if (beginning.startsWith('<')) throw new EngineError('EBADMODEL', `${path} is a web page, not an ONNX file; download it again`);
}

async function readGraph(reader: ProtobufFile, { start, end }: Field, path: string): Promise<OnnxHeader> {
  const header: OnnxHeader = { inputs: [], outputs: [], operators: new Set(), isHalf: false, externalFiles: [] };
  const external = new Set<string>();
  const weights = new Map<string, number>();
  const used = new Set<string>();
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) {
      const { operator, inputs } = await readNode(reader, field);
      header.operators.add(operator);
      if (HEAVY.includes(operator)) inputs.forEach((input) => used.add(input));
    }
    if (field.number === 5) {
      const { name, type, file } = await readInitializer(reader, field);
      weights.set(name, type);
      if (file !== undefined) external.add(file);
    }
    if (field.number === 11) header.inputs.push(await readValueInfo(reader, field, path));
    if (field.number === 12) header.outputs.push(await readValueInfo(reader, field, path));
  }
  // Old files list their weights among the inputs.
  header.inputs = header.inputs.filter(({ name }) => !weights.has(name));
  const halfWeights = [...weights].some(([name, type]) => type === FLOAT16 && used.has(name));
  header.isHalf = halfWeights || header.inputs.some(({ type }) => type === 'float16');
  header.externalFiles = [...external];
  return header;
}

/** NodeProto: its inputs (1), its op_type (4) behind its domain (7), where that is not the standard's. */
async function readNode(reader: ProtobufFile, { start, end }: Field): Promise<{ operator: string; inputs: string[] }> {
  const inputs: string[] = [];
  let operator = '';
  let domain = '';
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) inputs.push(await reader.text(field.start, field.end));
    if (field.number === 4) operator = await reader.text(field.start, field.end);
    if (field.number === 7) domain = await reader.text(field.start, field.end);
  }
  return { operator: domain === '' || domain === 'ai.onnx' ? operator : `${domain}.${operator}`, inputs };
}

/** TensorProto: its data_type (2), its name (8) and, in external_data (13), the file that holds its values. */
async function readInitializer(reader: ProtobufFile, { start, end }: Field): Promise<{ name: string; type: number; file?: string }> {
  let name = '';
  let type = 0;
  let file: string | undefined;
  for await (const field of reader.fields(start, end)) {
    if (field.number === 2) type = field.value;
    if (field.number === 8) name = await reader.text(field.start, field.end);
    if (field.number === 13) {
      const [key, value] = await reader.texts(field);
      if (key === 'location') file = value;
    }
  }
  return { name, type, file };
}

/** ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1, dim_param 2 }}}}}. */
async function readValueInfo(reader: ProtobufFile, { start, end }: Field, path: string): Promise<TensorInfo> {
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

async function readDimension(reader: ProtobufFile, { start, end }: Field): Promise<number | string> {
  for await (const field of reader.fields(start, end)) {
    if (field.number === 2) return reader.text(field.start, field.end);
    // Some exporters write -1 for a free size, which is a varint of ten bytes.
    if (field.number === 1 && Number.isSafeInteger(field.value)) return field.value;
  }
  return '';
}
