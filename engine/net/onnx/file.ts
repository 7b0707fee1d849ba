import { isAbsolute, win32 } from 'node:path';
import { openRegular } from '../../util/bounded-file';
import { EngineError } from '../../errors';
import { printable } from '../../util/quote';
import type { TensorInfo, TensorType } from '../net';
import { ATTRIBUTE, FUNCTION, type Places, SPARSE, TENSOR, TRAINING } from './places';
import { type Field, ProtobufFile } from './protobuf-file';

/** What an .onnx file says about itself, read without its weights. */
export interface OnnxHeader {
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  /** The kinds of operators it consists of: Conv; com.microsoft.NhwcConv for one outside of the ONNX standard. */
  operators: Set<string>;
  /** Whether it takes float16 or computes with float16 weights. Weights that are stored so and cast before use do not count. */
  isHalf: boolean;
  /** Files beside it that hold weights or other values, relative to its folder. None leads out of it by its name. */
  externalFiles: string[];
}

/** Operators that do nearly all of the work, with the weights that they take. */
const HEAVY = ['Conv', 'Gemm', 'MatMul'];
const FLOAT16 = 10;
/**
 * Names of inputs and outputs stand in scripts, server configurations, requests and messages. Exporters write letters, digits
 * and these.
 */
const TENSOR_NAME = /^[\w./:-]{1,256}$/;
const MOST_TENSORS = 256;
/** With the weights that old files list among them. */
const MOST_LISTED = 100_000;
const MOST_DIMENSIONS = 16;
/** Characters of a free size's name. */
const MOST_FORMULA = 256;
/** No size of a net for pictures is larger. */
const LARGEST_SIZE = 2 ** 20;

/** Element types of onnx.proto's TensorProto.DataType. */
const elementTypes: Record<number, TensorType> = { 1: 'float32', 6: 'int32', 7: 'int64', 10: 'float16', 11: 'float64' };

/**
 * Reads inputs, outputs and the names of external weight files, in milliseconds also for files of gigabytes: weights are
 * skipped by their length. Field numbers are those of onnx.proto.
 *
 * Rejects with EBADMODEL when the file is torn, or no ONNX file at all.
 */
export async function readOnnxHeader(path: string): Promise<OnnxHeader> {
  const file = await openRegular(path).catch((thrown: unknown) => {
    throw EngineError.from(thrown, 'EBADMODEL');
  });
  try {
    const reader = new ProtobufFile(file, path);
    const { size } = await file.stat();
    await rejectOtherFiles(reader, path, size);
    const external = new Set<string>();
    let header: OnnxHeader | undefined;
    for await (const field of reader.fields(0, size)) {
      if (field.number === 7) header = await readGraph(reader, field, path, external);
      // Functions and instructions for training hold graphs of their own.
      if (field.number === 25 || field.number === 20)
        await collectExternal(reader, field, external, field.number === 25 ? FUNCTION : TRAINING);
    }
    if (!header) throw reader.damaged('it holds no graph');
    for (const location of external) checkLocation(location, path);
    return { ...header, externalFiles: [...external] };
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
      `${printable(path, 1000)} is only a pointer to the model (Git LFS); fetch the model itself, for example with git lfs pull`,
    );
  }
  if (beginning.startsWith('<'))
    throw new EngineError('EBADMODEL', `${printable(path, 1000)} is a web page, not an ONNX file; download it again`);
}

async function readGraph(reader: ProtobufFile, { start, end }: Field, path: string, external: Set<string>): Promise<OnnxHeader> {
  const header: OnnxHeader = { inputs: [], outputs: [], operators: new Set(), isHalf: false, externalFiles: [] };
  const weights = new Map<string, number>();
  const used = new Set<string>();
  const infos: { list: TensorInfo[]; field: Field }[] = [];
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) {
      const { operator, inputs } = await readNode(reader, field, external);
      header.operators.add(operator);
      if (HEAVY.includes(operator)) inputs.forEach((input) => used.add(input));
    }
    if (field.number === 5) {
      const { name, type } = await readInitializer(reader, field, external);
      weights.set(name, type);
    }
    if (field.number === 11) infos.push({ list: header.inputs, field });
    if (field.number === 12) infos.push({ list: header.outputs, field });
    if (infos.length > MOST_LISTED) throw reader.damaged(`it has more than ${MOST_LISTED} inputs or outputs`);
    if (field.number === 15) await collectExternal(reader, field, external, SPARSE);
  }
  for (const { list, field } of infos) {
    const name = await nameOf(reader, field);
    // Old files list their weights among the inputs.
    if (list === header.inputs && weights.has(name)) continue;
    if (list.push(await readValueInfo(reader, field, path)) > MOST_TENSORS)
      throw reader.damaged(`it has more than ${MOST_TENSORS} inputs or outputs`);
  }
  const halfWeights = [...weights].some(([name, type]) => type === FLOAT16 && used.has(name));
  header.isHalf = halfWeights || header.inputs.some(({ type }) => type === 'float16');
  return header;
}

/** NodeProto: its inputs (1), its op_type (4) behind its domain (7), where that is not the standard's. */
async function readNode(
  reader: ProtobufFile,
  { start, end }: Field,
  external: Set<string>,
): Promise<{ operator: string; inputs: string[] }> {
  const inputs: string[] = [];
  let operator = '';
  let domain = '';
  for await (const field of reader.fields(start, end)) {
    if (field.number === 1) inputs.push(await reader.text(field.start, field.end));
    if (field.number === 4) operator = await reader.text(field.start, field.end);
    if (field.number === 7) domain = await reader.text(field.start, field.end);
    if (field.number === 5) await collectExternal(reader, field, external, ATTRIBUTE);
  }
  return { operator: domain === '' || domain === 'ai.onnx' ? operator : `${domain}.${operator}`, inputs };
}

/** TensorProto: its data_type (2), its name (8) and, in external_data (13), the file that holds its values. */
async function readInitializer(
  reader: ProtobufFile,
  { start, end }: Field,
  external: Set<string>,
): Promise<{ name: string; type: number }> {
  let name = '';
  let type = 0;
  for await (const field of reader.fields(start, end)) {
    if (field.number === 2) type = field.value;
    if (field.number === 8) name = await reader.text(field.start, field.end);
    if (field.number === 13) await addLocation(reader, field, external);
  }
  return { name, type };
}

/** Graphs within graphs within graphs are nobody's export. */
const DEEPEST = 64;

/** Adds the names of all files that a message wants values from, wherever it may name one. */
async function collectExternal(
  reader: ProtobufFile,
  { start, end }: Field,
  external: Set<string>,
  places: Places,
  depth = 0,
): Promise<void> {
  if (depth > DEEPEST) throw reader.damaged(`it has graphs within graphs, more than ${DEEPEST} deep`);
  for await (const field of reader.fields(start, end)) {
    if (places === TENSOR && field.number === 13) await addLocation(reader, field, external);
    else if (places[field.number]) await collectExternal(reader, field, external, places[field.number], depth + 1);
  }
}

async function addLocation(reader: ProtobufFile, entry: Field, external: Set<string>): Promise<void> {
  const [key, value] = await reader.entry(entry);
  if (key === 'location') external.add(value);
}

/** A path that stays in the folder as it is written; where its links lead is another question. */
function checkLocation(location: string, path: string): void {
  const parts = location.split(/[\\/]/);
  const isPlain =
    location !== '' && !isAbsolute(location) && !win32.isAbsolute(location) && !parts.includes('..') && !/[\p{Cc}]/u.test(location);
  if (isPlain) return;
  throw new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)} wants weights from outside of its folder (${printable(location)}), which is refused; export it again`,
  );
}

async function nameOf(reader: ProtobufFile, { start, end }: Field): Promise<string> {
  let name = '';
  for await (const field of reader.fields(start, end)) if (field.number === 1) name = await reader.text(field.start, field.end);
  return name;
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
        for await (const dim of reader.fields(part.start, part.end)) {
          if (shape.push(await readDimension(reader, dim)) > MOST_DIMENSIONS)
            throw reader.damaged(`an input or output of it has more than ${MOST_DIMENSIONS} dimensions`);
        }
      }
    }
  }
  if (!TENSOR_NAME.test(name)) {
    throw new EngineError(
      'EBADMODEL',
      `${printable(path, 1000)} calls an input or output "${printable(name, 60)}"; names are letters, digits, and . / : _ -, at most 256 of them; export it again with such names`,
    );
  }
  const type = elementTypes[elementType];
  if (type) return { name, type, shape };
  throw new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)}: "${name}" has values of a kind (${elementType}) that no diffusion model takes or gives`,
  );
}

async function readDimension(reader: ProtobufFile, { start, end }: Field): Promise<number | string> {
  for await (const field of reader.fields(start, end)) {
    // It is a formula at times, which means something to its exporter only, but tells sizes that are the same.
    if (field.number === 2) return printable(await reader.text(field.start, field.end), MOST_FORMULA);
    if (field.number !== 1) continue;
    // Some exporters write -1 for a free size, which is a varint of ten bytes.
    if (!Number.isSafeInteger(field.value)) return '';
    if (field.value <= LARGEST_SIZE) return field.value;
    throw reader.damaged(`an input or output of it has a size of ${field.value}`);
  }
  return '';
}
