/** The inside of a NetThread: opens nets and runs them, one request after the other. */
import { constants } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { EngineError } from '../../errors';
import { answerTo } from '../../util/channel';
import { SerialQueue } from '../../util/serial-queue';
import type { PixelTensor, Tensor } from '../net';
import type { LoadedNet, ThreadRequest } from './net-thread';
import { OnnxNet } from '../ort/onnx-net';
import { standBack } from '../../util/stand-back';

// The priority of this thread and of those that ONNX Runtime starts in it; on systems without priorities per thread, of the whole process.
standBack(constants.priority.PRIORITY_BELOW_NORMAL);

const nets = new Map<number, OnnxNet>();
const queue = new SerialQueue();
let loaded = 0;

async function perform(request: ThreadRequest): Promise<LoadedNet | Record<string, Tensor | PixelTensor> | undefined> {
  switch (request.do) {
    case 'load': {
      const net = await OnnxNet.load(request.model, request.settings, request.name);
      nets.set(loaded, net);
      return { net: loaded++, inputs: net.inputs, outputs: net.outputs };
    }
    case 'run':
      return runNet(request);
    case 'close':
      await netOf(request.net).close();
      nets.delete(request.net);
      return undefined;
    case 'end':
      await Promise.all([...nets.values()].map((net) => net.close()));
      parentPort?.close();
      return undefined;
  }
}

function runNet({ net, feeds, pixels }: ThreadRequest & { do: 'run' }): Promise<Record<string, Tensor | PixelTensor>> {
  return pixels ? netOf(net).runPixels(feeds, pixels) : netOf(net).run(feeds as Record<string, Tensor>);
}

function netOf(number: number): OnnxNet {
  const net = nets.get(number);
  if (!net) throw new EngineError('ECLOSED', 'this net was closed');
  return net;
}

async function answer(request: ThreadRequest): Promise<void> {
  const said = await answerTo(request.id, () => perform(request));
  const outputs = request.do === 'run' && 'result' in said ? Object.values(said.result as Record<string, Tensor | PixelTensor>) : [];
  parentPort?.postMessage(said, [...new Set(outputs.map(({ data }) => data.buffer as ArrayBuffer))]);
}

parentPort?.on('message', (request: ThreadRequest) => void queue.run(() => answer(request)));
