import { hooks } from '@node-red/util';
import type { NodeMessage } from 'node-red';
import control from '../../nodes/control';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import filter from '../../nodes/filter';
import prompt from '../../nodes/prompt';
import sink from '../../nodes/sink';
import { helper, startFlow } from './flow';
import { Dice } from './dice';
import { mutate, originals } from './mutations';
import { strangeMessage } from './strange-messages';
import { PATIENCE } from './until';

const NODES = ['denoiser', 'filter', 'control', 'prompt', 'sink'] as const;
const SHARES = { denoiser: 0.5, filter: 0.15, control: 0.1, prompt: 0.05, sink: 0.2 };
export interface FuzzResult {
  inputs: number;
  /** Counts by error code; 'none' for inputs that ended well. */
  endings: Record<string, number>;
  /** Inputs that did not end exactly once within a minute, or ended with an error that only a defect causes. */
  faults: string[];
  /** Memory of this process after every tenth of the inputs, bytes; `heap` is JavaScript's, after a garbage collection where possible. */
  memory: { inputs: number; rss: number; heap: number }[];
}

interface Completion {
  msg: NodeMessage;
  error?: Error & { code?: string };
  node: { id: string };
}

/** Gives damaged pictures and senseless messages to the nodes of a real flow, to each node one at a time. */
export async function fuzz(inputs: number, seed: number): Promise<FuzzResult> {
  await startFlow(
    [engine, denoiser, filter, control, prompt, sink],
    [
      { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
      { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '32', height: '32', steps: '1' },
      { id: 'filter', type: 'streamdiffusion-filter' },
      { id: 'control', type: 'streamdiffusion-control', kind: 'silhouette', learnSeconds: '0' },
      { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'sea' },
      { id: 'sink', type: 'streamdiffusion-sink', name: 'fuzz' },
    ],
  );
  const dice = new Dice(seed);
  const files = await originals();
  const result: FuzzResult = { inputs, endings: {}, faults: [], memory: [] };
  const measure = (n: number): void => {
    globalThis.gc?.();
    result.memory.push({ inputs: n, rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed });
  };
  const ends = new Map<object, (error?: Error & { code?: string }) => void>();
  hooks.add('onComplete.fuzz', ({ msg, error }: Completion) => ends.get(msg)?.(error));

  const give = async (id: string, msg: Record<string, unknown>, what: string): Promise<void> => {
    let times = 0;
    let said = 'no end';
    const code = await new Promise<string>((resolve) => {
      const late = setTimeout(() => resolve('NEVER'), PATIENCE);
      ends.set(msg, (error) => {
        if (++times > 1) result.faults.push(`${what} ended ${times} times`);
        clearTimeout(late);
        said = String(error?.stack ?? 'no error');
        resolve(error ? (error.code ?? 'NO CODE') : 'none');
      });
      helper.getNode(id).receive(msg as NodeMessage);
    });
    setTimeout(() => ends.delete(msg), 1000).unref();
    result.endings[code] = (result.endings[code] ?? 0) + 1;
    if (['NEVER', 'NO CODE', 'EINTERNAL'].includes(code)) result.faults.push(`${what} at the ${id}: ${said}`);
  };

  // Each node has a lane of its own, and the denoiser's has half of all inputs. As many inputs run at once as there are lanes.
  let number = 0;
  await Promise.all(
    NODES.map(async (id) => {
      for (let left = Math.floor(inputs * SHARES[id]); left > 0; left--) {
        const n = number++;
        if (n % 250 === 0) forgetCalls();
        if (n > 0 && n % Math.ceil(inputs / 10) === 0) measure(n);
        const isPicture = dice.below(2) === 0 && id !== 'prompt';
        const picture = mutate(dice.one(files), dice, files);
        const msg = isPicture ? { payload: picture } : strangeMessage(dice, dice.one(files));
        await give(id, msg, `input ${n} of seed ${seed}`);
      }
    }),
  );
  // A good frame still comes through.
  await give(
    'denoiser',
    {
      payload: files[0],
      reset: true,
      params: { width: 32, height: 32, mode: 'img2img', format: 'jpeg', tIndexList: [25], numInferenceSteps: 50, frameBufferSize: 1 },
    },
    'the good frame at the end',
  );
  measure(inputs);
  hooks.remove('onComplete.fuzz');
  return result;
}

/** Drops the arguments of all calls of nodes that Node-RED's test helper keeps, so that they do not count as memory. */
export function forgetCalls(ids: readonly string[] = NODES): void {
  for (const id of ids) {
    const node = helper.getNode(id) as unknown as Record<string, { resetHistory?: () => void }>;
    for (const method of ['send', 'status', 'error', 'warn', 'log', 'debug', 'trace']) node[method]?.resetHistory?.();
  }
  helper.log().resetHistory();
}
