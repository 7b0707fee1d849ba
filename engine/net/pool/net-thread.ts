import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError } from '../../errors';
import { type Answer, Channel } from '../../util/channel';
import type { LocalNet, Pixels, PixelTensor, Tensor, TensorInfo } from '../net';
import type { OnnxNet, SessionSettings } from '../ort/onnx-net';

/** A request to a thread: `load` is answered with a {@link LoadedNet}, `run` with the outputs. */
export type ThreadOrder =
  | { do: 'load'; model: NetSource; settings: SessionSettings; name: string }
  | { do: 'run'; net: number; feeds: Record<string, Tensor | PixelTensor>; pixels?: Pixels }
  | { do: 'close'; net: number }
  | { do: 'end' };

export type ThreadRequest = ThreadOrder & { id: number };

/** A net's number in its thread, and its inputs and outputs. */
export interface LoadedNet {
  net: number;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
}

/** The source that a net is opened from: plain data, so that it can be sent to a thread. */
export type NetSource = Parameters<typeof OnnxNet.load>[0];

/** Opens a net as OnnxNet.load does. */
export type OpenNet = (source: NetSource, settings: SessionSettings, name?: string) => Promise<LocalNet>;

/**
 * A thread with nets of its own. ONNX Runtime blocks the thread that runs a net. In threads of their own, the UNet works on
 * one frame while the autoencoder works on the frames before and after it, and the process stays responsive.
 *
 * A thread must not be terminated while it runs a net: that would abort the whole process. It ends by itself after `close`.
 */
export class NetThread {
  private readonly worker = new Worker(join(__dirname, 'net-thread-main.js'));
  private readonly channel = new Channel<ThreadOrder>((request) => this.worker.postMessage(request, movedBy(request)));

  constructor() {
    this.worker.on('message', (answer: Answer) => this.channel.hear(answer));
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
    if (this.channel.closed) return;
    const exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.request({ do: 'end' }).catch(() => undefined);
    await exited;
  }

  private request(order: ThreadOrder): Promise<unknown> {
    return this.channel.request(order, undefined);
  }

  private end(how: string): void {
    this.channel.close(new EngineError('EHOST', `a thread of the engine ${how}`));
  }
}

/** The buffers that are moved. Other feeds are copied: copying is quick compared with the run, and their owners go on using them. */
function movedBy(order: ThreadOrder): ArrayBuffer[] {
  if (order.do !== 'run') return [];
  // A view of a part cannot be moved without the rest of its buffer.
  const whole = Object.values(order.feeds).filter(({ movable, data }) => movable && data.byteLength === data.buffer.byteLength);
  return [...new Set(whole.map(({ data }) => data.buffer as ArrayBuffer))];
}
