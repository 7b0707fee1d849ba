import { isNetName, netNames, type NetName } from '../../../engine/model/roles';
import type { WeightBits } from '../../../engine/net/onnx/patches/int8';
import { readArguments, readNumber, UsageError } from '../../command';
import { readAdapters } from '../../run/adapters';

export const HELP = `Usage: streamdiffusion models repository FOLDER --to DIR [OPTIONS]

Writes a model repository for NVIDIA Triton: the nets of a model folder, ready for "tritonserver --model-repository=DIR".
FOLDER may also be the name of a pulled model, or starter, the embedded one. Requests of several flows are computed
together (dynamic batching), the first frame finds the nets warm, and an engine that has other weights in its own folder
notices it. When the nets have changed, a further version is written beside the one that is served; a net that is there
as it is stays untouched.

Options:
  --to DIR          the model repository; it may hold other models
  --nets LIST       which nets (default: all): ${netNames.join(', ')}
  --prefix NAME     what stands before the nets' names (default: the name of FOLDER)
  --backend NAME    what Triton runs them with (default onnxruntime):
                      onnxruntime  ONNX Runtime inside of Triton
                      tensorrt     plans, which the script that is written along makes on the machine with the GPU
                      python       ONNX Runtime of Python, for a Triton without the other two; needs numpy and onnxruntime
  --device NAME     gpu or cpu (default gpu)
  --instances N     copies of each net beside each other, on every GPU (default 1)
  --max-batch N     most rows of a run (default 16)
  --queue-delay US  microseconds that a run waits for others to be computed with (default 0: those that wait anyway)
  --adapter NAME=PATH
                    a ControlNet, LoRA, IP-Adapter … that engines with this model will have: the nets are written with inputs
                    for it; what lies in the model folder as controlnet/NAME is thought of anyway (can be repeated)
  --lora FILE       the same for a LoRA, by the name of its file; or NAME=FILE (can be repeated)
  --int8            in int8 where an int8.json lies beside a net, as the engine computes it itself: about twice as fast on
                    processors made for it (VNNI, dot products on Arm), half as fast again on others; with --device cpu
  --weight-bits 8|7 with --int8: 7 for servers on x86 processors without VNNI, where sums of products with 8 overflow (default 8)
  --threads N       processor threads of one copy, with onnxruntime and python (default: all cores)
  --size WxH        picture size of the warm-up, and of TensorRT plans (default: the model's own)

Example:
  streamdiffusion models repository starter --to ./repository --nets unet
  tritonserver --model-repository=./repository`;

const OPTIONS = {
  to: { type: 'string' },
  nets: { type: 'string' },
  prefix: { type: 'string' },
  backend: { type: 'string', default: 'onnxruntime' },
  device: { type: 'string', default: 'gpu' },
  instances: { type: 'string', default: '1' },
  'max-batch': { type: 'string', default: '16' },
  'queue-delay': { type: 'string', default: '0' },
  adapter: { type: 'string', multiple: true },
  lora: { type: 'string', multiple: true },
  int8: { type: 'boolean', default: false },
  'weight-bits': { type: 'string', default: '8' },
  threads: { type: 'string', default: '0' },
  size: { type: 'string' },
} as const;

export const BACKENDS = ['onnxruntime', 'tensorrt', 'python'] as const;
export type Backend = (typeof BACKENDS)[number];

export interface RepositoryOptions {
  model: string;
  to: string;
  /** Undefined for all. */
  nets: NetName[] | undefined;
  prefix: string | undefined;
  backend: Backend;
  device: 'gpu' | 'cpu';
  instances: number;
  maxBatch: number;
  queueDelayUs: number;
  /** The paths of the adapters that the nets get inputs for, by name. */
  adapters: Record<string, string>;
  /** The bits of a weight, if nets that can compute in int8 are written so. */
  int8: WeightBits | undefined;
  /** 0 leaves it to ONNX Runtime. */
  threads: number;
  size: { width: number; height: number } | undefined;
}

/** @throws UsageError */
export function readOptions(args: string[]): RepositoryOptions {
  const { values, positionals } = readArguments(args, OPTIONS, ['FOLDER']);
  const { to, nets, prefix, backend, device, size } = values;
  if (to === undefined) throw new UsageError('--to is missing');
  const names = nets?.split(',').map((name) => name.trim());
  const unknown = names?.find((name) => !isNetName(name));
  if (unknown !== undefined) throw new UsageError(`--nets are some of ${netNames.join(', ')}; got "${unknown}"`);
  if (prefix !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(prefix))
    throw new UsageError(`--prefix must be letters, digits, . _ and -; got "${prefix}"`);
  if (!isOneOf(BACKENDS, backend)) throw new UsageError(`--backend must be one of ${BACKENDS.join(', ')}; got "${backend}"`);
  if (device !== 'gpu' && device !== 'cpu') throw new UsageError(`--device must be gpu or cpu; got "${device}"`);
  if (values.int8 && (device !== 'cpu' || backend === 'tensorrt'))
    throw new UsageError('--int8 is for processors: it goes with --device cpu, and with onnxruntime or python as --backend');
  const adapters = readAdapters(values.adapter, values.lora);
  if (backend === 'tensorrt' && Object.keys(adapters).length > 0)
    throw new UsageError('--adapter goes with onnxruntime or python as --backend: plans of TensorRT are made for certain sizes');
  const [, width, height] = /^([1-9]\d*)x([1-9]\d*)$/.exec(size ?? '') ?? [];
  if (size !== undefined && width === undefined) throw new UsageError(`--size must be two numbers such as 512x512; got "${size}"`);
  return {
    model: positionals[0],
    to,
    nets: names as NetName[] | undefined,
    prefix,
    backend,
    device,
    instances: whole(values.instances, 'instances', 1, 1024),
    maxBatch: whole(values['max-batch'], 'max-batch', 1, 4096),
    queueDelayUs: whole(values['queue-delay'], 'queue-delay', 0, 1_000_000),
    adapters,
    int8: values.int8 ? (whole(values['weight-bits'], 'weight-bits', 7, 8) as WeightBits) : undefined,
    threads: whole(values.threads, 'threads', 0, 1024),
    size: width === undefined ? undefined : { width: Number(width), height: Number(height) },
  };
}

function isOneOf<T extends string>(known: readonly T[], text: string): text is T {
  return (known as readonly string[]).includes(text);
}

function whole(text: string, name: string, min: number, max: number): number {
  const value = readNumber(text, name) ?? NaN;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}; got "${text}"`);
}
