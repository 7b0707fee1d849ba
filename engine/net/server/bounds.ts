/**
 * Limits on a server's answers. A server need not be malicious: a gateway's error page, another program on the port or a
 * bug could otherwise make the process run out of memory.
 */
import { printable } from '../../util/quote';
import type { TensorInfo } from '../net';
import { type ModelHead, type ModelLimits, nonsense, ServerFailure, type TensorHead } from './transport';

/** The largest description of a model or of the server, bytes. */
export const LARGEST_DESCRIPTION = 2 ** 22;
/** The part of a refusal that is read, bytes. */
export const LARGEST_REFUSAL = 2 ** 16;
/** The largest outputs of a run, bytes, and those of a net that gives pictures: 4096×4096 in float32. */
export const LARGEST_RUN = 2 ** 26;
const LARGEST_PICTURES = 2 ** 28;
/** The most numbers of a run in JSON, which takes several times the memory: four million are a picture of 1182×1182. */
const MOST_NUMBERS = 2 ** 22;
const MOST_TEXTS = 50_000;
const MOST_LISTS = 200_000;
/** The most inputs or outputs of a model. */
const MOST_TENSORS = 256;
const MOST_DIMENSIONS = 16;
/** The most copies of a net on one server, and the most rows of a run. */
const MOST_INSTANCES = 1024;
const MOST_ROWS = 65_536;

/** The largest answer to a run of a net, bytes. */
export function largestRun(outputs: readonly TensorInfo[]): number {
  return outputs.some(({ shape }) => shape.length === 4 && shape[1] === 3) ? LARGEST_PICTURES : LARGEST_RUN;
}

/** Decodes an answer. @throws ServerFailure where that fails, for whatever reason */
export function decoded<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof ServerFailure) throw thrown;
    throw nonsense(where, `no message of the protocol, or one without name, type or shape (${printable((thrown as Error).message)})`);
  }
}

/**
 * The JSON in an answer, an object or a list. Lists, texts and numbers are counted before it is parsed: a million empty
 * lists take two megabytes to send and a hundred to hold.
 *
 * @throws ServerFailure
 */
export function readJson(bytes: Buffer, where: string): object {
  let [lists, quotes, commas] = [0, 0, 0];
  for (let k = 0; k < bytes.length; k++) {
    const byte = bytes[k];
    if (byte === 0x5b || byte === 0x7b) lists++;
    else if (byte === 0x22) quotes++;
    else if (byte === 0x2c) commas++;
  }
  if (lists > MOST_LISTS || quotes > 2 * MOST_TEXTS || commas > MOST_NUMBERS)
    throw nonsense(where, `JSON of ${lists} lists, ${quotes / 2} texts and ${commas} further values`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The failure below does not quote the contents: they may come from any program that listens at the address.
  }
  if (typeof value === 'object' && value !== null) return value;
  throw nonsense(where, 'no JSON');
}

/** The inputs and outputs of a model as its server describes them. @throws ServerFailure where there are too many, or one makes no sense */
export function checkedHeads(
  { inputs, outputs }: Pick<ModelHead, 'inputs' | 'outputs'>,
  where: string,
): Pick<ModelHead, 'inputs' | 'outputs'> {
  for (const heads of [inputs, outputs]) {
    if (heads.length > MOST_TENSORS) throw nonsense(where, `a model with ${heads.length} inputs or outputs`);
    for (const head of heads) checkHead(head, where);
  }
  return { inputs, outputs };
}

/** @throws ServerFailure */
export function checkHead(head: Partial<Record<keyof TensorHead, unknown>>, where: string): asserts head is TensorHead {
  const { name, datatype, shape } = head;
  if (typeof name !== 'string' || typeof datatype !== 'string' || !Array.isArray(shape) || !shape.every(Number.isSafeInteger))
    throw nonsense(where, 'an input or output without name, type or shape');
  if (!/^[\w./: -]{1,256}$/.test(name) || !/^\w{1,32}$/.test(datatype) || shape.length > MOST_DIMENSIONS)
    throw nonsense(where, `an input or output "${printable(name, 40)}" of type ${printable(datatype, 20)} with ${shape.length} dimensions`);
}

/** The limits that a server reports, as far as they make sense. */
export function limitsOf(rows: unknown, instances: unknown, fingerprint: unknown): ModelLimits {
  const whole = (value: unknown, most: number): number => {
    const number = Number(value);
    return Number.isFinite(number) && number >= 1 ? Math.min(Math.floor(number), most) : 0;
  };
  const [maxRows, copies] = [whole(rows, MOST_ROWS), whole(instances, MOST_INSTANCES)];
  return {
    ...(maxRows > 0 && { maxRows }),
    ...(copies > 0 && { instances: copies }),
    ...(typeof fingerprint === 'string' && fingerprint !== '' && { fingerprint: fingerprint.slice(0, 256) }),
  };
}

/** Checks the number of outputs. @throws ServerFailure for too many */
export function checkCount(outputs: number, where: string): void {
  if (outputs > MOST_TENSORS) throw nonsense(where, `an answer with ${outputs} outputs`);
}
