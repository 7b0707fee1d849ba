import { bytesOf } from '../rows';
import { typeOf } from './datatypes';
import { checkCount, checkHead, readJson } from './bounds';
import { type GivenTensor, type InferAnswer, type InferRequest, nonsense, type Place } from './transport';

/**
 * A run as the body of a request: a header in JSON, followed by the tensors' bytes one after the other (the protocol's
 * binary tensor data extension; float16 has no other form). For tensors in shared memory the header gives the place.
 */
export function encodeRun({ inputs, outputs }: InferRequest, id: string): { header: Buffer; tensors: Uint8Array[] } {
  const header = {
    id,
    inputs: inputs.map(({ name, datatype, shape, data, place }) => ({
      name,
      datatype,
      shape,
      parameters: place ? inMemory(place) : { binary_data_size: data.byteLength },
    })),
    outputs: outputs.map(({ name, place }) => ({ name, parameters: place ? inMemory(place) : { binary_data: true } })),
  };
  return { header: Buffer.from(JSON.stringify(header)), tensors: inputs.flatMap(({ data, place }) => (place ? [] : [bytesOf(data)])) };
}

function inMemory({ region, offset, length }: Place): object {
  return { shared_memory_region: region, shared_memory_offset: offset, shared_memory_byte_size: length };
}

interface Output {
  name?: unknown;
  datatype?: unknown;
  shape?: unknown;
  data?: unknown;
  parameters?: { binary_data_size?: unknown };
}

/**
 * @param headerLength the length of the answer's JSON as the answer declares it; undefined when it is all JSON
 * @throws ServerFailure when it is not an answer to the run `id`
 */
export function decodeRun(body: Buffer, headerLength: number | undefined, id: string, where: string): InferAnswer {
  const end = headerLength ?? body.length;
  if (!(Number.isInteger(end) && end > 0 && end <= body.length))
    throw nonsense(where, `a header of ${headerLength} bytes in an answer of ${body.length}`);
  const answer = readJson(body.subarray(0, end), where) as { id?: unknown; model_version?: unknown; outputs?: unknown };
  if (answer.id !== undefined && answer.id !== null && answer.id !== '' && answer.id !== id)
    throw nonsense(where, 'the answer belongs to another run');
  if (!Array.isArray(answer.outputs)) throw nonsense(where, 'an answer without outputs');
  const outputs = new Map<string, GivenTensor>();
  let at = end;
  checkCount(answer.outputs.length, where);
  for (const { name, datatype, shape, data, parameters } of answer.outputs as Output[]) {
    const head = { name, datatype, shape };
    checkHead(head, where);
    const size = parameters?.binary_data_size;
    if (typeof size === 'number') {
      if (!(Number.isInteger(size) && size >= 0 && at + size <= body.length))
        throw nonsense(where, `"${name}" ends after the end of the answer`);
      outputs.set(head.name, { ...head, bytes: body.subarray(at, at + size) });
      at += size;
    } else if (Array.isArray(data)) outputs.set(head.name, { ...head, bytes: bytesOfNumbers(head.name, head.datatype, data, where) });
    else outputs.set(head.name, head);
  }
  if (at !== body.length) throw nonsense(where, `${body.length - at} bytes more than its outputs have`);
  return { outputs, ...(typeof answer.model_version === 'string' && { version: answer.model_version }) };
}

/** The bytes of values in JSON, nested or flat: the answers of servers without the extension. */
function bytesOfNumbers(name: string, datatype: string, data: unknown[], where: string): Uint8Array {
  const values = data.flat(Infinity) as number[];
  if (!values.every((value) => typeof value === 'number')) throw nonsense(where, `"${name}" holds values that are not numbers`);
  switch (typeOf(datatype)) {
    case 'float32':
      return bytesOf(Float32Array.from(values));
    case 'int32':
      return bytesOf(Int32Array.from(values));
    case 'int64':
      return bytesOf(BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))));
    default:
      throw nonsense(where, `"${name}" is ${datatype} in JSON`);
  }
}
