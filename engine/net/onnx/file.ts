import { isAbsolute, win32 } from 'node:path';
import { openRegular } from '../../util/bounded-file';
import { EngineError } from '../../errors';
import { printable } from '../../util/quote';
import type { TensorInfo, TensorType } from '../net';
import { ATTRIBUTE, FUNCTION, type Places, SPARSE, TENSOR, TRAINING } from './places';
import { type Field, ProtobufFile } from './protobuf-file';

/** The structure of an .onnx file, read without its weights. */
export interface OnnxHeader {
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  /** The operators that it uses: `Conv`, or `com.microsoft.NhwcConv` for one outside the ONNX standard. */
  operators: Set<string>;
  /** Whether it takes float16 or computes with float16 weights. Weights that are stored in float16 but cast before use do not count. */
  isHalf: boolean;
  /** Files that hold weights or other values, relative to its folder. No name leads out of the folder. */
  externalFiles: string[];
}

/** Operators that do nearly all of the work and take weights. */
const HEAVY = ['Conv', 'Gemm', 'MatMul'];
const FLOAT16 = 10;
/**
 * Names of inputs and outputs are written into scripts, server configurations, requests and messages. Exporters use letters, digits
 * and these signs.
 */
const TENSOR_NAME = /^[\w./:-]{1,256}$/;
const MOST_TENSORS = 256;
/** Inputs or outputs at most, with the weights that old files list among them. */
const MOST_LISTED = 100_000;
const MOST_DIMENSIONS = 16;
/** The longest name of a free size, characters. */
const MOST_FORMULA = 256;
/** The largest size in a shape: no net for pictures has a larger one. */
const LARGEST_SIZE = 2 ** 20;

/** Element types of onnx.proto's TensorProto.DataType. */
const elementTypes: Record<number, TensorType> = { 1: 'float32', 6: 'int32', 7: 'int64', 10: 'float16', 11: 'float64' };

/**
 * Reads inputs, outputs and the names of external weight files. Weights are skipped by their length, so that even a file of
 * gigabytes takes milliseconds. Field numbers are those of onnx.proto.
 *
 * Rejects with EBADMODEL when the file is torn, or not an ONNX file at all.
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
      // Functions and training information hold graphs of their own.
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

/** The files that people most often have instead of a model are recognised by their first bytes. */
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

/** NodeProto { input 1, op_type 4, domain 7 }: an operator outside the standard is listed with its domain before its name. */
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

/** TensorProto { data_type 2, name 8, external_data 13 }. */
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

/** The deepest nesting of graphs: no exporter writes more. */
const DEEPEST = 64;

/** Adds the names of all files that a message takes values from, wherever it may name one. */
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

/** Refuses a path that leads out of the folder as it is written; links are followed and checked elsewhere. */
function checkLocation(location: string, path: string): void {
  const parts = location.split(/[\\/]/);
  const isPlain =
    location !== '' && !isAbsolute(location) && !win32.isAbsolute(location) && !parts.includes('..') && !/[\p{Cc}]/u.test(location);
  if (isPlain) return;
  throw new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)} takes weights from outside its folder (${printable(location)}), which is refused; export it again`,
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
    // The name may be a formula that only its exporter understands, but equal names mean equal sizes.
    if (field.number === 2) return printable(await reader.text(field.start, field.end), MOST_FORMULA);
    if (field.number !== 1) continue;
    // Some exporters write -1 for a free size, a varint of ten bytes.
    if (!Number.isSafeInteger(field.value)) return '';
    if (field.value <= LARGEST_SIZE) return field.value;
    throw reader.damaged(`an input or output of it has a size of ${field.value}`);
  }
  return '';
}
