import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import prompt from '../../nodes/prompt';
import { PATHS } from '../lib/control-cases';
import { calls, type FlowNode, helper, PATIENCE, startFlow, until } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { removeModelFolders, withTokenizer } from '../lib/model-folder';
import { jpegs } from '../lib/pictures';

/** A ControlNet, a LoRA and an IP-Adapter. */
const ADAPTERS = { depth: PATHS.depth, style: PATHS.style, look: PATHS.picture };
type Name = keyof typeof ADAPTERS;

const DENOISER = { width: '64', height: '64', stepsBy: 'list', tIndexList: '30', cfgType: 'none', format: 'raw' };

describe('an adapter that a deploy removes', () => {
  let model: string;
  let frames: Buffer[];
  let ledger: Ledger;
  let told: { code?: string; message: string }[];

  before(async () => {
    frames = (await jpegs(3)).map(({ data }) => Buffer.from(data));
    model = await withTokenizer();
  });
  afterEach(() => helper.unload());
  after(async () => {
    await stopAllHosts();
    await removeModelFolders();
  });

  function flowWith(names: Name[], dialog: object): FlowNode[] {
    const adapters = names.map((name) => ({ name, path: ADAPTERS[name] }));
    return [
      { id: 'engine', type: 'streamdiffusion-engine', threads: '1', modelType: 'str', model, adapters },
      { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'a hill', wires: [['denoiser']] },
      { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', ...DENOISER, ...dialog, wires: [['out']] },
      { id: 'out', type: 'helper' },
    ];
  }

  function listen(): void {
    ledger = keepLedger('denoiser', ['out']);
    told = calls('denoiser', 'error') as typeof told;
  }

  function give(msg: object = {}): NodeMessage {
    const given = { payload: frames[0], ...msg } as NodeMessage;
    helper.getNode('prompt').receive(given);
    return given;
  }

  /** The picture that comes of a frame; undefined where there is none. */
  async function paint(msg: object = {}): Promise<Buffer | undefined> {
    const [[painted] = []] = await ledger.endOf(give(msg));
    return (painted?.payload as { data: Buffer } | undefined)?.data;
  }

  /** A flow that uses all adapters, and then the one with those that are left, deployed while frames come. */
  async function remove(left: Name[], dialog: object, msg: object): Promise<void> {
    await startFlow([engine, denoiser, prompt], flowWith(['depth', 'style', 'look'], dialog));
    listen();
    // The first frame waits until the engine is loaded; from then on it is known which pictures are for the prompt.
    assert.ok((await paint()) && (await paint({ pictures: { look: frames[2] } })));
    const source = setInterval(() => give(msg), 20);
    try {
      await helper.setFlows(flowWith(left, dialog), 'nodes');
      listen();
      await until(() => ledger.sent[0].length > 2, PATIENCE);
    } finally {
      clearInterval(source);
    }
    // With the newest frame those before it have ended as well.
    assert.ok(await paint());
  }

  /** The first word of each error that was told, and the adapter that it names. */
  function tellings(): string[] {
    return told.map(({ code, message }) => `${code} ${/^\w+/.exec(message)?.[0]} ${/"(\w+)"/.exec(message)?.[1]}`).sort();
  }

  it('with its weight in the dialog, and its pictures, is told with a code, once each, and the stream goes on under the others', async () => {
    const msg = { pictures: { depth: frames[1] } };
    await remove(['style'], { weights: { depth: 0.8, style: 0.7, look: 0.9 } }, msg);
    const goneOn = await paint(msg);
    assert.deepEqual(tellings(), [
      'EBADPARAM images look',
      'EBADPARAM pictures depth',
      'EBADPARAM weights depth',
      'EBADPARAM weights look',
    ]);
    assert.deepEqual(ledger.errors, []);
    const without = await paint({ params: { weights: { style: 0 } } });
    assert.ok(goneOn && without);
    assert.notDeepEqual(without, goneOn, 'the one that is left works');
  });

  it('with its weight in every message is told with a code, once, and no picture stays away', async () => {
    await remove(['style', 'look'], {}, { params: { weights: { depth: 0.5 } } });
    const painted: (Buffer | undefined)[] = [];
    for (const style of [0.2, 0.4, 0.6, 0.8]) painted.push(await paint({ params: { weights: { depth: style, style } } }));
    assert.ok(painted.every((picture) => picture !== undefined));
    assert.notDeepEqual(painted[3], painted[0], 'the one that is left follows its weight');
    assert.deepEqual(ledger.errors, []);
    assert.deepEqual(tellings(), ['EBADPARAM weights depth']);
  });
});
