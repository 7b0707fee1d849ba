import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { PATIENCE, calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { jpegs } from '../lib/pictures';
import { strain } from '../lib/strain';

const FLOW: FlowNode[] = [
  { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
  { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '128', height: '128', wires: [['out']] },
  { id: 'out', type: 'helper' },
  {
    id: 'other',
    type: 'streamdiffusion-denoiser',
    engine: 'engine',
    width: '128',
    height: '128',
    steps: '2',
    wires: [['otherOut'], ['status']],
  },
  { id: 'otherOut', type: 'helper' },
  { id: 'status', type: 'helper' },
];

describe('a large size and back', () => {
  let ledger: Ledger;
  let frame: Buffer;
  let source: NodeJS.Timeout;

  before(async () => {
    frame = Buffer.from((await jpegs(1))[0].data);
  });
  beforeEach(async () => {
    await startFlow([engine, denoiser], FLOW);
    ledger = keepLedger('denoiser', ['out']);
    source = setInterval(() => give({ payload: frame }), 50);
    await until(() => ledger.sent[0].length > 5);
  });
  afterEach(async () => {
    clearInterval(source);
    await helper.unload();
  });
  after(() => stopAllHosts());

  const give = (msg: object): void => helper.getNode('denoiser').receive(msg as NodeMessage);
  const widths = (): number[] => ledger.sent[0].map(({ frame }) => (frame as FrameInfo).width);

  it('what cannot be painted in time is refused, whatever the product is made of, and pictures go on', async () => {
    const changes = [
      { width: 8192, height: 8192 },
      { width: 4096, height: 4096, frameBufferSize: 8 },
      { frameBufferSize: 64, width: 1024, height: 1024, tIndexList: [10, 20, 30, 40] },
    ];
    for (const params of changes) {
      const began = performance.now();
      const [errors, sent] = [ledger.errors.length, ledger.sent[0].length];
      give({ params });
      await until(
        () => ledger.errors.length > errors,
        PATIENCE,
        () => `${JSON.stringify(params)} was not refused`,
      );
      await until(() => ledger.sent[0].length > sent + 5);
      const took = performance.now() - began;
      assert.ok(took < 15_000 * strain(), `${JSON.stringify(params)}: ${took} ms`);
    }
    assert.deepEqual([...new Set(widths())], [128]);
    assert.deepEqual([...new Set(ledger.errors)], ['EBADPARAM']);
  });

  it('a large size and back: no long pause, and the newest settings hold', async () => {
    give({ params: { width: 2048, height: 2048 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const began = performance.now();
    give({ params: { width: 96, height: 96 } });
    await until(
      () => widths().at(-1) === 96,
      PATIENCE,
      () => `${widths().slice(-3)}`,
    );
    const took = performance.now() - began;
    console.log(`      a picture of the new size after ${Math.round(took)} ms`);
    assert.ok(took < 15_000 * strain(), `${took} ms`);
  });

  it('a stream that is opened, and kept busy, by frames with enormous settings holds up no other one, and takes no memory', async () => {
    const memory: number[] = [];
    helper.getNode('status').on('input', ({ payload }) => memory.push((payload as { memoryBytes: number }).memoryBytes));
    /** Frames a second in the best second of so many: a machine that is busy now and then does not spoil it. */
    const count = async (seconds: number): Promise<number> => {
      let best = 0;
      for (let k = 0; k < seconds; k++) {
        const [before, began] = [ledger.sent[0].length, performance.now()];
        await new Promise((resolve) => setTimeout(resolve, 1000));
        best = Math.max(best, (1000 * (ledger.sent[0].length - before)) / (performance.now() - began));
      }
      return best;
    };
    const alone = await count(3);
    await until(() => memory.at(-1)! > 0);
    const held = memory.at(-1)!;
    const refused = calls('other', 'error');
    let n = 0;
    const attack = setInterval(() => {
      const params =
        n++ % 2 ? { width: 128, height: 128, frameBufferSize: 1 } : { width: 8192, height: 8192 - 16 * (n % 50), frameBufferSize: 8 };
      helper.getNode('other').receive({ payload: frame, params } as unknown as NodeMessage);
    }, 100);
    const meanwhile = await count(8);
    await until(() => refused.length > 0);
    clearInterval(attack);
    const most = Math.max(...memory) - held;
    console.log(`      ${alone.toFixed(1)} frames a second alone, ${meanwhile.toFixed(1)} meanwhile; ${Math.round(most / 1e6)} MB more`);
    assert.ok(meanwhile > alone / 3, `${meanwhile} of ${alone} frames a second`);
    assert.ok(most < 150e6, `${most} bytes`);
    assert.match(String(refused[0]), /8192x\d+ with .* and a buffer of 8 would take about/);
    assert.ok(ledger.sent[0].length > 0 && widths().every((width) => width === 128));
  });
});
