import { hooks } from '@node-red/util';
import type { NodeMessage } from 'node-red';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import filter from '../../nodes/filter';
import prompt from '../../nodes/prompt';
import { helper, startFlow } from './flow';
import { forgetCalls } from './fuzz';
import { Dice } from './dice';
import { originals } from './mutations';
import { strangeSettings } from './strange-messages';
import { until } from './until';

const NODES = ['filter', 'prompt', 'denoiser'] as const;
const WITHIN = 60_000;

export interface SettingsResult {
  /** Frames of the one stream that were rendered meanwhile. */
  painted: number;
  /** Topics of the denoiser's streams at the end. */
  streams: string[];
  /** Counts by error code; 'none' for inputs that ended well. */
  endings: Record<string, number>;
  faults: string[];
}

interface StatusMessage {
  payload: { streams: { stream: string; out: number }[] };
}

/** Gives valid and damaged settings under all kinds of topics to the nodes of a flow whose frames have no topic. */
export async function fuzzSettings(inputs: number, seed: number): Promise<SettingsResult> {
  await startFlow(
    [engine, denoiser, filter, prompt],
    [
      { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
      { id: 'filter', type: 'streamdiffusion-filter', threshold: '1', wires: [['prompt'], []] },
      { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'sea', wires: [['denoiser']] },
      {
        id: 'denoiser',
        type: 'streamdiffusion-denoiser',
        engine: 'engine',
        width: '32',
        height: '32',
        steps: '1',
        wires: [['out'], ['status']],
      },
      { id: 'out', type: 'helper' },
      { id: 'status', type: 'helper' },
    ],
  );
  const dice = new Dice(seed);
  const [frame] = await originals();
  const result: SettingsResult = { painted: 0, streams: [], endings: {}, faults: [] };
  helper.getNode('out').on('input', () => result.painted++);
  let statuses = 0;
  helper.getNode('status').on('input', (msg) => {
    statuses++;
    result.streams = (msg as unknown as StatusMessage).payload.streams.map(({ stream }) => stream);
  });
  const open = new Map<NodeMessage, string>();
  hooks.add(
    'onComplete.settings',
    ({ msg, error, node }: { msg: NodeMessage; error?: Error & { code?: string }; node: { id: string } }) => {
      const what = open.get(msg);
      if (what === undefined || !what.startsWith(node.id)) return;
      open.delete(msg);
      const code = error ? (error.code ?? 'NO CODE') : 'none';
      result.endings[code] = (result.endings[code] ?? 0) + 1;
      if (['NO CODE', 'EINTERNAL'].includes(code)) result.faults.push(`${what}: ${error?.stack}`);
    },
  );
  for (let n = 0; n < inputs; n++) {
    const id = dice.one(NODES);
    const msg = strangeSettings(dice) as NodeMessage;
    open.set(msg, `${id} got input ${n} of seed ${seed}`);
    helper.getNode(id).receive(msg);
    if (n % 20 > 0) continue;
    helper.getNode('filter').receive({ payload: frame } as NodeMessage);
    if (n % 260 === 0) forgetCalls(NODES);
    await until(
      () => open.size < 20,
      WITHIN,
      () => [...open.values()][0],
    );
  }
  await until(
    () => open.size === 0,
    WITHIN,
    () => `never ended: ${[...open.values()].slice(0, 3).join(', ')}`,
  );
  const before = result.painted;
  helper.getNode('denoiser').receive({
    params: { width: 32, height: 32, mode: 'img2img', tIndexList: [25], numInferenceSteps: 50, frameBufferSize: 1 },
  } as unknown as NodeMessage);
  await until(() => {
    helper.getNode('filter').receive({ payload: frame } as NodeMessage);
    return result.painted > before;
  }, WITHIN);
  // The next one may have been on its way.
  const known = statuses;
  await until(() => statuses >= known + 2, WITHIN);
  hooks.remove('onComplete.settings');
  return result;
}
