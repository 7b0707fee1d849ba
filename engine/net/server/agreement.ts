import { EngineError } from '../../errors';
import type { Net, TensorInfo } from '../net';
import { typeOf } from './datatypes';
import type { ModelHead, TensorHead } from './transport';

/** A net as it is in the model folder. */
export interface ExpectedNet extends Pick<Net, 'inputs' | 'outputs'> {
  /** The fingerprint of the net's files, to be compared with the server's; computed when it is needed. */
  fingerprint: () => Promise<string>;
  /** The fingerprints of the same net in int8, with weights of eight and of seven bits, where it can compute in int8. */
  int8Fingerprints?: () => Promise<string[]>;
}

/** How to call a net on a server whose net matches the one in the model folder. */
export interface Agreement {
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  /** Inputs [B] that the server takes as [B, 1]. */
  columns: string[];
  /** The most rows per run. */
  maxRows: number;
  /** Runs that the server computes at the same time. */
  instances: number;
  /** Whether the server has the net in int8, as far as it tells. */
  int8: boolean;
}

/**
 * Compares a server's description of a model with the net in the model folder: names, ranks and fixed sizes must be the same.
 * Types may differ where both are floating-point or both integer (a TensorRT plan in half precision): the server's type is
 * used. So is a size that only the server has fixed.
 *
 * Rejects with EBADMODEL when the server has another model.
 *
 * @param what names the model and its server in messages
 */
export async function agree(expected: ExpectedNet, head: ModelHead, what: string): Promise<Agreement> {
  const columns: string[] = [];
  const contradiction = (how: string): EngineError =>
    new EngineError(
      'EBADMODEL',
      `${what} is another net than the one in the model folder: ${how}; serve what "streamdiffusion models repository" makes of this folder`,
    );
  const merge = (own: TensorInfo, given: TensorHead, kind: string): TensorInfo => {
    const [mine, theirs] = [inWords(own.shape), inWords(given.shape)];
    const type = typeOf(given.datatype);
    if (!type || type.startsWith('float') !== own.type.startsWith('float'))
      throw contradiction(`its ${kind} "${own.name}" is ${given.datatype}, not ${own.type}`);
    // Triton has no tensors of rank 1 with a batch dimension.
    const isColumn = own.shape.length === 1 && given.shape.length === 2 && given.shape[1] === 1;
    if (isColumn) columns.push(own.name);
    const sizes = isColumn ? given.shape.slice(0, 1) : given.shape;
    const fits =
      sizes.length === own.shape.length && own.shape.every((size, i) => typeof size === 'string' || sizes[i] < 0 || sizes[i] === size);
    if (!fits) throw contradiction(`its ${kind} "${own.name}" is ${theirs}, not ${mine}`);
    return { name: own.name, type, shape: own.shape.map((size, i) => (typeof size === 'string' && sizes[i] > 0 ? sizes[i] : size)) };
  };
  const named = (heads: TensorHead[], name: string): TensorHead | undefined => heads.find((one) => one.name === name);
  const inputs = expected.inputs.map((own) => {
    const given = named(head.inputs, own.name);
    if (!given) throw contradiction(`it has no input "${own.name}"`);
    return merge(own, given, 'input');
  });
  const further = head.inputs.find(({ name }) => !inputs.some((own) => own.name === name));
  if (further) throw contradiction(`it wants an input "${further.name}"`);
  // Exports may have outputs that nobody uses; a missing one is reported by whoever needs it.
  const outputs = expected.outputs.flatMap((own) => {
    const given = named(head.outputs, own.name);
    return given ? [merge(own, given, 'output')] : [];
  });
  if (outputs.length === 0) throw contradiction(`it has no output "${expected.outputs[0]?.name}"`);
  const { fingerprint } = head;
  const own = fingerprint === undefined || (await expected.fingerprint());
  const int8 = fingerprint !== undefined && ((await expected.int8Fingerprints?.()) ?? []).includes(fingerprint);
  if (fingerprint !== undefined && fingerprint !== own && !int8) {
    throw contradiction(fingerprint.startsWith(`${own}-`) ? 'it was rounded with another int8.json' : 'its weights are others');
  }
  return { inputs, outputs, columns, maxRows: head.maxRows ?? Infinity, instances: head.instances ?? 1, int8 };
}

function inWords(shape: (number | string)[]): string {
  return `[${shape.map((size) => (typeof size === 'string' || size < 0 ? '?' : size)).join(', ')}]`;
}
