import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { EngineError } from '../../errors';
import type { Net, Pixels, PixelTensor, Tensor, TensorInfo, TensorType } from '../net';
import { type OnnxGraph, writeOnnxGraph } from '../onnx/graph';
import { firstLine, onnxRuntime } from './runtime';
import { fromPixels, toPixels } from '../tensor';

/** Where a session computes, and with how many threads. */
export interface SessionSettings {
  /** An ONNX Runtime execution provider, optionally with a device number: `cpu`, `cuda`, `cuda:1`. */
  executionProvider: string;
  /** Threads per net. Default: ONNX Runtime's choice, the number of physical cores. */
  intraOpNumThreads?: number;
}

/** A net in this process, run by ONNX Runtime. A run blocks the calling thread until it is done. */
export class OnnxNet implements Net {
  readonly inputs: TensorInfo[];
  readonly outputs: TensorInfo[];
  private running: Promise<unknown> = Promise.resolve();
  private closed = false;

  private constructor(
    private readonly session: InferenceSession,
    private readonly name: string,
  ) {
    this.inputs = session.inputMetadata.map((meta) => tensorInfo(meta, name));
    this.outputs = session.outputMetadata.map((meta) => tensorInfo(meta, name));
  }

  /**
   * Opens an .onnx file, its content in memory, or a graph whose weights stay in their files. Errors call the latter two
   * `name`. External weights are found beside the file. Rejects with EBADMODEL when the net cannot be used.
   */
  static async load(
    model: string | Uint8Array | OnnxGraph,
    settings: SessionSettings,
    name = typeof model === 'string' ? model : 'a net in memory',
  ): Promise<OnnxNet> {
    let session: InferenceSession;
    try {
      session = await openSession(model, settings);
    } catch (thrown) {
      if (thrown instanceof EngineError) throw thrown;
      throw unusable(name, settings.executionProvider, thrown);
    }
    try {
      return new OnnxNet(session, name);
    } catch (thrown) {
      await session.release();
      throw thrown;
    }
  }

  async run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    if (this.closed) throw new EngineError('ECLOSED', `${this.name} was closed`);
    try {
      const given = Object.entries(feeds).map(([name, tensor]) => [name, ortTensor(tensor)] as const);
      const run = this.session.run(Object.fromEntries(given));
      // The chain of promises drops the results: otherwise it would keep every output there ever was.
      this.running = Promise.allSettled([this.running, run]).then(() => undefined);
      const results = await run;
      return Object.fromEntries(this.outputs.map((output) => [output.name, tensorFrom(results[output.name], output)]));
    } catch (thrown) {
      const reason = thrown instanceof Error ? firstLine(thrown.message) : String(thrown);
      throw new EngineError('EBADMODEL', `${this.name} failed: ${reason}`, { cause: thrown });
    }
  }

  async runPixels(feeds: Record<string, Tensor | PixelTensor>, { name, range }: Pixels): Promise<Record<string, Tensor | PixelTensor>> {
    const input = this.inputs.find((each) => each.name === name);
    const given = Object.entries(feeds).map(
      ([key, tensor]) => [key, tensor.type === 'pixels' ? fromPixels(tensor, input?.type ?? 'float32', range) : tensor] as const,
    );
    const outputs = await this.run(Object.fromEntries(given));
    return name in outputs ? { ...outputs, [name]: toPixels(outputs[name], range) } : outputs;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.running;
    await this.session.release();
  }
}

/** A bare session, for nets with tensors of other types. */
export function openSession(model: string | Uint8Array | OnnxGraph, settings: SessionSettings): Promise<InferenceSession> {
  const { InferenceSession } = onnxRuntime();
  if (typeof model === 'string') return InferenceSession.create(model, sessionOptions(settings));
  if (model instanceof Uint8Array) return InferenceSession.create(model, sessionOptions(settings));
  return InferenceSession.create(writeOnnxGraph(model), sessionOptions(settings, model.folder));
}

/**
 * WebGPU's checks of every call cost time. They are switched off, since graphs are checked beforehand and the process is
 * replaced if it crashes. Measured on a software device only, not on a card yet.
 */
const WEBGPU = { preferredLayout: 'NHWC', validationMode: 'disabled', enableRobustness: false } as const;

/** `cuda:1` as ONNX Runtime wants it. */
export function providerConfig(provider: string): InferenceSession.ExecutionProviderConfig {
  const [name, device] = provider.split(':');
  const config = { name, ...(device !== undefined && { deviceId: Number(device) }), ...(name === 'webgpu' && WEBGPU) };
  return config;
}

/** @param weightsFolder the folder with the weights of a net held in memory */
function sessionOptions(
  { executionProvider, intraOpNumThreads }: SessionSettings,
  weightsFolder?: string,
): InferenceSession.SessionOptions {
  const weights = weightsFolder === undefined ? {} : { model_external_initializers_file_folder_path: weightsFolder };
  return {
    executionProviders: [providerConfig(executionProvider)],
    ...(intraOpNumThreads === undefined ? {} : { intraOpNumThreads }),
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    // DirectML refuses sessions that plan their memory ahead.
    enableMemPattern: executionProvider.split(':')[0] !== 'dml',
    logSeverityLevel: 3,
    // Every session has its own threads. If they were spinning while idle, they would take the cores from the net that runs.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' }, ...weights } },
  };
}

const tensorTypes: readonly string[] = ['float32', 'float16', 'float64', 'int64', 'int32', 'uint8'] satisfies TensorType[];

function tensorInfo(meta: InferenceSession.ValueMetadata, net: string): TensorInfo {
  if (!meta.isTensor || !tensorTypes.includes(meta.type)) {
    const kind = meta.isTensor ? meta.type : 'not a tensor';
    throw new EngineError('EBADMODEL', `${net}: "${meta.name}" is ${kind}; known are ${tensorTypes.join(', ')}`);
  }
  return { name: meta.name, type: meta.type as TensorType, shape: [...meta.shape] };
}

/** A tensor in ONNX Runtime's own form. */
export function ortTensor({ type, data, dims }: Tensor): OrtTensor {
  const { Tensor } = onnxRuntime();
  const tensor = new Tensor(type, data, dims);
  // From Node 24 on, `data` is a Float16Array, which ONNX Runtime's native part (1.30) cannot read ("expected 160, got 0").
  if (type === 'float16') Object.defineProperty(tensor, 'data', { value: data });
  return tensor;
}

function tensorFrom(tensor: OrtTensor, { type }: TensorInfo): Tensor {
  const { data } = tensor;
  const dims = [...tensor.dims];
  const isWide =
    data instanceof Float32Array ||
    data instanceof Float64Array ||
    data instanceof BigInt64Array ||
    data instanceof Int32Array ||
    data instanceof Uint8Array;
  if (isWide) return { type, data, dims };
  // A float16 tensor holds a Uint16Array, or from Node 24 on a Float16Array over the same bits.
  const { buffer, byteOffset, length } = data as Uint16Array<ArrayBuffer>;
  return { type, data: new Uint16Array(buffer, byteOffset, length), dims };
}

function unusable(name: string, provider: string, thrown: unknown): EngineError {
  const reason = thrown instanceof Error ? firstLine(thrown.message) : String(thrown);
  return new EngineError('EBADMODEL', `${name} cannot be opened by ONNX Runtime on ${provider}: ${reason}`, { cause: thrown });
}
