/**
 * The messages of the protocol's gRPC service, field by field; the numbers are those of grpc_predict_v2.proto, and of
 * Triton's grpc_service.proto and model_config.proto, which extend it.
 */
import { field, fieldsOf as allFields, message, type MessageField, varint, varintsOf } from '../onnx/protobuf';
import { checkCount, checkedHeads, checkHead, limitsOf } from './bounds';
import { bytesOf } from '../rows';
import {
  type GivenTensor,
  type InferAnswer,
  type InferRequest,
  type ModelHead,
  type ModelLimits,
  nonsense,
  type Place,
  type TensorHead,
} from './transport';

/** The most fields of one message in a server's answer. */
const MOST_FIELDS = 10_000;
/** The most sizes of a tensor, or cards that copies of a net run on. */
const MOST_NUMBERS = 1024;
const fieldsOf = (bytes: Buffer): MessageField[] => allFields(bytes, MOST_FIELDS);

/** ModelMetadataRequest, ModelConfigRequest and SystemSharedMemoryUnregisterRequest { name 1 }. */
export function nameOnly(name: string): Buffer {
  return field(1, name);
}

/** ServerMetadataResponse { extensions 3 }. */
export function decodeExtensions(bytes: Buffer): string[] {
  return all(fieldsOf(bytes), 3).map(text);
}

/** ModelMetadataResponse { inputs 4, outputs 5 }. */
export function decodeMetadata(bytes: Buffer, where: string): Pick<ModelHead, 'inputs' | 'outputs'> {
  const fields = fieldsOf(bytes);
  return checkedHeads(
    { inputs: all(fields, 4).map((one) => tensorHead(one, where)), outputs: all(fields, 5).map((one) => tensorHead(one, where)) },
    where,
  );
}

/** ModelConfigResponse { config 1 { max_batch_size 4, instance_group 7 { count 2, gpus 3 }, parameters 14 { key 1, value 2 { string_value 1 }}}}. */
export function decodeConfig(bytes: Buffer): ModelLimits {
  const config = all(fieldsOf(bytes), 1).flatMap(fieldsOf);
  const maxRows = config.find(({ number }) => number === 4)?.value;
  const instances = all(config, 7).reduce((sum, group) => {
    const fields = fieldsOf(group);
    const count = fields.find(({ number }) => number === 2)?.value || 1;
    return sum + count * Math.max(1, numbers(fields, 3).length);
  }, 0);
  const parameters = all(config, 14)
    .map(fieldsOf)
    .map((entry) => [text(all(entry, 1)[0]), text(all(all(entry, 2).flatMap(fieldsOf), 1)[0])] as const);
  const fingerprint = parameters.find(([key]) => key === 'fingerprint')?.[1];
  return limitsOf(maxRows, instances, fingerprint);
}

/** ModelInferRequest { model_name 1, id 3, inputs 5, outputs 6, raw_input_contents 7 }. */
export function encodeRun({ model, inputs, outputs }: InferRequest, id: string): Buffer {
  const tensors = inputs.map(({ name, datatype, shape, place }) =>
    field(5, message(field(1, name), field(2, datatype), field(3, Buffer.concat(shape.map(varint))), ...inMemory(place, 4))),
  );
  const wanted = outputs.map(({ name, place }) => field(6, message(field(1, name), ...inMemory(place, 2))));
  // Written without field(), which would copy the values once more.
  const raw = inputs.flatMap(({ data, place }) => (place ? [] : [varint(7 * 8 + 2), varint(data.byteLength), bytesOf(data)]));
  return Buffer.concat([field(1, model), field(3, id), ...tensors, ...wanted, ...raw]);
}

/**
 * ModelInferResponse { model_version 2, id 3, outputs 5, raw_output_contents 6 }; InferOutputTensor { name 1, datatype 2,
 * shape 3, contents 5 }.
 *
 * @throws ServerFailure when it is not an answer to the run `id`
 */
export function decodeRun(bytes: Buffer, id: string, where: string): InferAnswer {
  const fields = fieldsOf(bytes);
  const answered = text(all(fields, 3)[0]);
  if (answered !== '' && answered !== id) throw nonsense(where, 'the answer belongs to another run');
  const raw = all(fields, 6);
  const outputs = new Map<string, GivenTensor>();
  let next = 0;
  checkCount(all(fields, 5).length, where);
  for (const output of all(fields, 5)) {
    const { name, datatype, shape } = tensorHead(output, where);
    // For an output in shared memory Triton sends an empty entry.
    const bytes = all(fieldsOf(output), 5).map((values) => contents(values, shape))[0] ?? raw[next++];
    outputs.set(name, { datatype, shape, ...(bytes?.length && { bytes }) });
  }
  if (outputs.size === 0) throw nonsense(where, 'an answer without outputs');
  if (raw.length > next) throw nonsense(where, 'more values than outputs');
  const version = text(all(fields, 2)[0]);
  return { outputs, ...(version && { version }) };
}

/** SystemSharedMemoryRegisterRequest { name 1, key 2, offset 3, byte_size 4 }. */
export function encodeRegister(name: string, bytes: number): Buffer {
  return message(field(1, name), field(2, `/${name}`), field(4, bytes));
}

/** SystemSharedMemoryStatusResponse { regions 1 { key 1 } }, a map by name. */
export function decodeRegions(bytes: Buffer): string[] {
  return all(fieldsOf(bytes), 1).map((entry) => text(all(fieldsOf(entry), 1)[0]));
}

/** Entries { key 1, value 2 } of map<string, InferParameter { int64_param 2, string_param 3 }>, in the field `number`. */
function inMemory(place: Place | undefined, number: number): Buffer[] {
  if (!place) return [];
  const entry = (key: string, value: Buffer): Buffer => field(number, message(field(1, key), field(2, value)));
  return [
    entry('shared_memory_region', field(3, place.region)),
    entry('shared_memory_offset', field(2, place.offset)),
    entry('shared_memory_byte_size', field(2, place.length)),
  ];
}

/** InferTensorContents { int_contents 2, int64_contents 3, fp32_contents 6 }: the answers of servers without raw contents. */
function contents(bytes: Buffer, shape: number[]): Uint8Array | undefined {
  const count = shape.reduce((product, size) => product * size, 1);
  for (const { number, bytes: values } of fieldsOf(bytes)) {
    if (number === 6) return values;
    if (number === 2) return bytesOf(Int32Array.from(varintsOf(values, count)));
    if (number === 3) return bytesOf(BigInt64Array.from(varintsOf(values, count).map(BigInt)));
  }
  return undefined;
}

/** TensorMetadata, and the beginning of InferOutputTensor: { name 1, datatype 2, shape 3 }. */
function tensorHead(bytes: Buffer, where: string): TensorHead {
  const fields = fieldsOf(bytes);
  const [name, datatype] = [text(all(fields, 1)[0]), text(all(fields, 2)[0])];
  // -1 is a varint of ten bytes, far beyond any size.
  const shape = numbers(fields, 3).map((size) => (size >= 2 ** 63 ? -1 : size));
  const head = { name, datatype, shape };
  checkHead(head, where);
  return head;
}

function all(fields: MessageField[], number: number): Buffer[] {
  return fields.filter((one) => one.number === number).map(({ bytes }) => bytes);
}

/** Repeated integers, packed or one by one. */
function numbers(fields: MessageField[], number: number): number[] {
  return fields
    .filter((one) => one.number === number)
    .flatMap(({ bytes, value }) => (bytes.length > 0 ? varintsOf(bytes, MOST_NUMBERS) : [value]));
}

function text(bytes: Buffer | undefined): string {
  return bytes?.toString('utf8') ?? '';
}
