import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorCode } from '../../errors';
import type { LocalNet, Pixels, PixelTensor, Tensor, TensorInfo } from '../net';
import type { OnnxNet, SessionSettings } from '../ort/onnx-net';

/** What a thread is asked to do. */
export type ThreadRequest = { id: number } & (
  | { do: 'load'; model: NetSource; settings: SessionSettings; name: string }
  | { do: 'run'; net: number; feeds: Record<string, Tensor | PixelTensor>; pixels?: Pixels }
  | { do: 'close'; net: number }
  | { do: 'end' }
);

/** `load` answers with a net's number and what it takes and gives, `run` with its outputs. */
export type ThreadAnswer = { id: number } & ({ result: unknown } | { error: { code: ErrorCode; message: string } });

export interface LoadedNet {
  net: number;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
}

/** What a net is opened from: plain data, so that it can be sent to a thread. */
export type NetSource = Parameters<typeof OnnxNet.load>[0];

/** Opens a net as OnnxNet.load does. */
export type OpenNet = (source: NetSource, settings: SessionSettings, name?: string) => Promise<LocalNet>;

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/**
 * A thread with nets of its own. ONNX Runtime blocks the thread that runs a net; in threads of their own the UNet works
 * on one frame while the autoencoder works on the frames before and after it, and the process stays awake.
 *
 * A thread must not be ended while it runs a net: that aborts the whole process. It ends by itself, after `close`.
 */
export class NetThread {
  private readonly worker = new Worker(join(__dirname, 'net-thread-main.js'));
  private readonly pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: EngineError) => void }>();
  private requests = 0;
  private gone: EngineError | undefined;

  constructor() {
    this.worker.on('message', (answer: ThreadAnswer) => this.hear(answer));
    this.worker.once('error', (error) => this.end(`failed: ${error.message}`));
    this.worker.once('exit', () => this.end('has ended'));
  }

  /** Opens a net in this thread; rejects as OnnxNet.load does. */
  async load(model: NetSource, settings: SessionSettings, name = String(model)): Promise<LocalNet> {
    const { net, inputs, outputs } = (await this.request({ do: 'load', model, settings, name })) as LoadedNet;
    let closing: Promise<unknown> | undefined;
    const run = async <T>(feeds: Record<string, Tensor | PixelTensor>, pixels?: Pixels): Promise<Record<string, T>> => {
      if (closing) throw new EngineError('ECLOSED', `${name} was closed`);
      return (await this.request({ do: 'run', net, feeds, pixels })) as Record<string, T>;
    };
    return {
      inputs,
      outputs,
      run: (feeds) => run(feeds),
      runPixels: run,
      close: async () => {
        closing ??= this.request({ do: 'close', net });
        await closing;
      },
    };
  }

  /** Ends the thread once its runs have ended. */
  async close(): Promise<void> {
    if (this.gone) return;
    const exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.request({ do: 'end' }).catch(() => undefined);
    await exited;
  }

  private request(request: WithoutId<ThreadRequest>): Promise<unknown> {
    if (this.gone) return Promise.reject(this.gone);
    const id = this.requests++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      // The feeds are copied: they are small beside the run, and their owners go on using them.
      this.worker.postMessage({ ...request, id });
    });
  }

  private hear(answer: ThreadAnswer): void {
    const pending = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    if ('error' in answer) pending?.reject(new EngineError(answer.error.code, answer.error.message));
    else pending?.resolve(answer.result);
  }

  private end(how: string): void {
    this.gone ??= new EngineError('EHOST', `a thread of the engine ${how}`);
    for (const { reject } of this.pending.values()) reject(this.gone);
    this.pending.clear();
  }
}
