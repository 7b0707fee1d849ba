import type { Net, TensorInfo, TensorType } from '../../../engine/net/net';
import type { RepositoryOptions } from './options';

const TYPES: Record<TensorType, string> = {
  float32: 'TYPE_FP32',
  float16: 'TYPE_FP16',
  float64: 'TYPE_FP64',
  int64: 'TYPE_INT64',
  int32: 'TYPE_INT32',
  uint8: 'TYPE_UINT8',
};

export interface ServedNet extends Pick<Net, 'inputs' | 'outputs'> {
  /** Its name on the server. */
  name: string;
  fingerprint: string;
  /** The sizes of the inputs in a run of one row, by name; undefined where they are unknown, so that the net is not warmed up. */
  warmUp: Record<string, number[]> | undefined;
}

/** The file config.pbtxt of a net in a Triton model repository (model_config.proto in text format). */
export function configOf(net: ServedNet, options: RepositoryOptions): string {
  const batched = isBatched(net);
  const { backend, instances, device, queueDelayUs } = options;
  return [
    `name: ${quoted(net.name)}`,
    backend === 'tensorrt' ? 'platform: "tensorrt_plan"' : `backend: "${backend}"`,
    `max_batch_size: ${batched ? options.maxBatch : 0}`,
    ...net.inputs.map((info) => tensor('input', info, batched)),
    ...net.outputs.map((info) => tensor('output', info, batched)),
    `instance_group [ { count: ${instances} kind: ${device === 'gpu' ? 'KIND_GPU' : 'KIND_CPU'} } ]`,
    ...(batched ? [`dynamic_batching { ${queueDelayUs > 0 ? `max_queue_delay_microseconds: ${queueDelayUs} ` : ''}}`] : []),
    'version_policy: { latest { num_versions: 1 } }',
    ...warmUps(net, options, batched),
    ...parameters(net, options).map(([key, value]) => `parameters { key: ${quoted(key)} value: { string_value: ${quoted(value)} } }`),
    '',
  ].join('\n');
}

/** Whether runs of several requests can be computed together: all inputs and outputs begin with a free number of rows. */
export function isBatched({ inputs, outputs }: Pick<Net, 'inputs' | 'outputs'>): boolean {
  return [...inputs, ...outputs].every(({ shape }) => shape.length > 0 && typeof shape[0] === 'string');
}

/** `dims` leaves out the rows. A tensor [rows] is declared as [rows, 1], since `dims` must not be empty. */
function tensor(kind: 'input' | 'output', { name, type, shape }: TensorInfo, batched: boolean): string {
  const dims = (batched ? shape.slice(1) : shape).map((size) => (typeof size === 'number' ? size : -1));
  const place = dims.length > 0 ? `dims: [ ${dims.join(', ')} ]` : 'dims: [ 1 ] reshape: { shape: [ ] }';
  return `${kind} [ { name: ${quoted(name)} data_type: ${TYPES[type]} ${place} } ]`;
}

/** Warm-ups with one row and with the most rows, so that shapes are compiled before the first frame. */
function warmUps({ inputs, warmUp }: ServedNet, { maxBatch, backend }: RepositoryOptions, batched: boolean): string[] {
  if (!warmUp) return [];
  const entry = (rows: number): string => {
    const fields = inputs.map(({ name, type }) => {
      const [, ...rest] = warmUp[name];
      const dims = !batched ? warmUp[name] : rest.length > 0 ? rest : [1];
      return `  inputs { key: ${quoted(name)} value: { data_type: ${TYPES[type]} dims: [ ${dims.join(', ')} ] zero_data: true } }`;
    });
    return [`model_warmup [ { name: "rows_${rows}" batch_size: ${batched ? rows : 0}`, ...fields, '} ]'].join('\n');
  };
  // On a processor, the largest run would cost seconds and memory and save nothing.
  const sizes = batched && maxBatch > 1 && backend !== 'python' ? [1, maxBatch] : [1];
  return sizes.map(entry);
}

function parameters({ fingerprint }: ServedNet, { backend, threads }: RepositoryOptions): [string, string][] {
  const all: [string, string][] = [['fingerprint', fingerprint]];
  if (threads > 0 && backend !== 'tensorrt') all.push(['intra_op_thread_count', String(threads)]);
  return all;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
