import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import type { EngineNode } from '../../nodes/lib/engine/node';
import { PATIENCE, calls, helper, messagesAt, startFlow, until, type FlowNode } from '../lib/flow';
import { hugePng } from '../lib/huge-png';
import { keepLedger, type Ledger } from '../lib/ledger';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { jpeg, jpegs } from '../lib/pictures';

const SIZE = { width: '64', height: '64' };

function flowWith(fields: object = {}, engineFields: object = {}): FlowNode[] {
  return [
    { id: 'engine', type: 'streamdiffusion-engine', threads: '1', ...engineFields },
    { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', ...SIZE, ...fields, wires: [['out']] },
    { id: 'out', type: 'helper' },
  ];
}

describe('stream-batch denoiser', () => {
  let ledger: Ledger;
  let frames: Buffer[];

  before(async () => {
    frames = (await jpegs(8)).map(({ data }) => Buffer.from(data));
  });
  afterEach(() => helper.unload());
  after(async () => {
    await stopAllHosts();
    await removeModelFolders();
  });

  async function start(fields: object = {}, engineFields: object = {}): Promise<void> {
    await startFlow([engine, denoiser], flowWith(fields, engineFields));
    ledger = keepLedger('denoiser', ['out']);
  }
  const give = (msg: object): void => helper.getNode('denoiser').receive(msg as NodeMessage);
  const out = (): NodeMessage[] => ledger.sent[0];
  const outcome = (): string => `${out().length} sent, ${ledger.done.length} done, errors ${ledger.errors.join(' ')}`;

  /** Gives a frame and waits until its message has ended. */
  async function giveAndWait(msg: object): Promise<void> {
    const before = ledger.ended;
    give(msg);
    await until(() => ledger.ended > before, PATIENCE, outcome);
  }

  it('paints a frame and sends it in the message that it came with', async () => {
    await start();
    const given = performance.now();
    await giveAndWait({ payload: frames[0], topic: 'camera', frame: { id: 'f1', timestamp: 123, source: 'here' }, mine: { kept: true } });
    assert.deepEqual([out().length, ledger.done.length, ledger.errors.length], [1, 1, 0]);
    const [msg] = out();
    const { format, width, height } = await sharp(msg.payload as Buffer).metadata();
    assert.deepEqual([format, width, height, msg.contentType], ['jpeg', 64, 64, 'image/jpeg']);
    const { latencyMs, ...frame } = msg.frame as FrameInfo;
    assert.deepEqual(frame, { id: 'f1', timestamp: 123, source: 'here', width: 64, height: 64, stream: 'camera' });
    const took = performance.now() - given;
    assert.ok(latencyMs > 0 && latencyMs <= took, `${latencyMs} ms of ${took} in all`);
    assert.deepEqual(msg.mine, { kept: true });
  });

  it('ends every message once and keeps the frames in order, whatever had to be left out', async () => {
    await start();
    await giveAndWait({ payload: frames[0] });
    for (let k = 0; k < 40; k++) give({ payload: frames[k % 8], frame: { id: k } });
    await until(() => ledger.ended === 41, PATIENCE, outcome);
    assert.deepEqual(ledger.errors, []);
    const ids = out()
      .slice(1)
      .map(({ frame }) => (frame as FrameInfo).id as number);
    assert.ok(ids.length < 40, 'the newest frame wins: of a burst most are left out');
    assert.equal(ids.at(-1), 39, 'the last frame is never left out');
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
  });

  it('writes PNG and raw pixels', async () => {
    await start({ format: 'png' });
    await giveAndWait({ payload: frames[0] });
    assert.equal((await sharp(out()[0].payload as Buffer).metadata()).format, 'png');
    await giveAndWait({ payload: frames[0], params: { format: 'raw' } });
    const { data, width, height, channels } = out()[1].payload as { data: Buffer; width: number; height: number; channels: number };
    assert.deepEqual([width, height, channels, data.length, out()[1].contentType], [64, 64, 3, 64 * 64 * 3, 'application/octet-stream']);
    assert.ok(Buffer.isBuffer(data));
  });

  it('gives a picture for any message in text-to-image mode, and none for settings', async () => {
    await start({ mode: 'txt2img', steps: '1', strength: '1' });
    await giveAndWait({ payload: Date.now() });
    await giveAndWait({});
    assert.equal(out().length, 2);
    await giveAndWait({ params: { seed: 7 } });
    await giveAndWait({ reset: true });
    assert.equal(out().length, 2);
    await giveAndWait({ payload: 'again' });
    assert.notDeepEqual(out()[2].payload, out()[1].payload, 'another seed, another picture');
    assert.deepEqual(ledger.errors, []);
  });

  it('denoises under the newest conditioning from the very first frame on', async () => {
    await start({ mode: 'txt2img', steps: '1', strength: '1', format: 'png', cfgType: 'none' });
    const conditioning = { prompt: [{ text: 'night aurora snow', weight: 1 }] };
    await giveAndWait({ payload: 1, topic: 'without' });
    await giveAndWait({ conditioning });
    for (const topic of ['without', 'new', 'new']) await giveAndWait({ payload: 1, topic });
    await giveAndWait({ payload: 1, topic: 'new', conditioning: { prompt: [{ text: 'sunset', weight: 1 }] } });
    const [empty, changed, first, second, sunset] = out().map(({ payload }) => (payload as Buffer).toString('base64'));
    assert.notEqual(changed, empty);
    assert.deepEqual([first === changed, second === changed], [true, true]);
    assert.notEqual(sunset, changed);
  });

  it('warns of what the model does not see of a prompt, once', async () => {
    await start();
    const warnings = calls('denoiser', 'warn');
    const conditioning = { prompt: [{ text: 'night, zeppelin', weight: 1 }] };
    for (let k = 0; k < 3; k++) await giveAndWait({ payload: frames[k], conditioning });
    await until(() => warnings.length > 0);
    assert.deepEqual(warnings, ['This model does not know: zeppelin.']);
  });

  it('takes over live parameters, by message or on a frame, and keeps the old ones when they cannot work', async () => {
    await start();
    await giveAndWait({ params: { width: 96, strength: 0.8, steps: 1 } });
    await giveAndWait({ payload: frames[0] });
    assert.equal((out()[0].frame as FrameInfo).width, 96);
    await giveAndWait({ payload: frames[0], params: { height: 128 } });
    assert.deepEqual([(out()[1].frame as FrameInfo).width, (out()[1].frame as FrameInfo).height], [96, 128]);

    const bad = [
      { guidanceScale: NaN },
      { strength: 2 },
      { tIndexList: [3, 2] },
      { tIndexList: [50] },
      { colour: 'red' },
      { width: 100 },
      5,
    ];
    for (const params of bad) await giveAndWait({ params });
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    await giveAndWait({ payload: frames[0] });
    assert.deepEqual([(out()[2].frame as FrameInfo).width, (out()[2].frame as FrameInfo).height], [96, 128]);
  });

  it('applies the parameters of a frame that was left out to the next one', async () => {
    await start();
    await giveAndWait({ payload: frames[0] });
    for (let k = 0; k < 20; k++) give({ payload: frames[k % 8], ...(k === 10 && { params: { width: 96 } }), frame: { id: k } });
    await until(() => ledger.ended === 21, PATIENCE, outcome);
    const last = out().at(-1)?.frame as FrameInfo;
    assert.deepEqual([last.id, last.width], [19, 96]);
    assert.ok(!out().some(({ frame }) => (frame as FrameInfo).id === 10), 'frame 10 was meant to be left out');
  });

  it('makes every frame with the settings that came with it, however many are in flight', async () => {
    await start({ width: '256', height: '256', steps: '4', format: 'raw' });
    const prompts = ['night aurora snow', 'sunset over the sea', 'a forest in the morning'];
    const message = (id: number) => ({
      payload: frames[id % 8],
      frame: { id },
      conditioning: { prompt: [{ text: prompts[id % 3], weight: 1 }] },
      params: { strength: [0.5, 0.9][id % 2], guidanceScale: [1, 1.3, 1.8, 1.1][id % 4], seed: id % 5, steps: id % 7 === 6 ? 2 : 4 },
    });
    const pixels = (msg: NodeMessage): Buffer => (msg.payload as { data: Buffer }).data;
    const idOf = (msg: NodeMessage): number => (msg.frame as FrameInfo).id as number;
    await giveAndWait(message(0));
    // As fast as the engine takes them, so that each meets frames with other settings on its way.
    let given = 1;
    for (const end = performance.now() + PATIENCE; given < 40 || (out().length < 6 && performance.now() < end); given++) {
      give(message(given));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await until(() => ledger.ended === given, PATIENCE, outcome);
    const together = out().slice(1);
    assert.ok(together.length >= 5, outcome());
    for (const painted of together) {
      await giveAndWait(message(idOf(painted)));
      const alone = out().at(-1) as NodeMessage;
      assert.equal(idOf(alone), idOf(painted));
      const worst = pixels(painted).reduce((most, value, k) => Math.max(most, Math.abs(value - pixels(alone)[k])), 0);
      assert.ok(worst <= 1, `frame ${idOf(painted)} is off by ${worst}/255`);
    }
    assert.deepEqual(ledger.errors, []);
  });

  it('goes on with the next good frame after each kind of bad input', async () => {
    await start();
    const bad: [string, object][] = [
      ['EBADFRAME', { payload: Buffer.alloc(0) }],
      ['EBADFRAME', { payload: frames[0].subarray(0, frames[0].length / 2) }],
      ['EBADFRAME', { payload: hugePng(20_000, 20_000) }],
      ['EBADFRAME', { payload: 'a text' }],
      ['EBADFRAME', { payload: 42 }],
      ['EBADFRAME', { payload: { width: 64 } }],
      ['EBADPARAM', { payload: frames[0], params: { delta: NaN } }],
      ['EBADPROMPT', { payload: frames[0], conditioning: 'a text' }],
      ['EBADPROMPT', { prompt: 'sea' }],
      ['EBADPROMPT', { conditioning: { prompt: [{ text: 5 }] } }],
    ];
    for (const [code, msg] of bad) {
      await giveAndWait(msg);
      assert.equal(ledger.errors.at(-1), code, JSON.stringify(msg).slice(0, 80));
      const sent = out().length;
      await giveAndWait({ payload: frames[1] });
      assert.equal(out().length, sent + 1, `a good frame after ${code}`);
    }
    assert.equal(ledger.errors.length, bad.length);
  });

  it('keeps a stream for each topic', async () => {
    await start();
    await giveAndWait({ topic: 'a', params: { width: 96 } });
    await giveAndWait({ topic: 'a', payload: frames[0] });
    await giveAndWait({ topic: 'b', payload: frames[0] });
    await giveAndWait({ params: { height: 128 } });
    await giveAndWait({ topic: 'a', payload: frames[0] });
    await giveAndWait({ topic: 'c', payload: frames[0] });
    const sizes = out().map(({ frame }) => [(frame as FrameInfo).stream, (frame as FrameInfo).width, (frame as FrameInfo).height]);
    assert.deepEqual(sizes, [
      ['a', 96, 64],
      ['b', 64, 64],
      ['a', 96, 128],
      ['c', 64, 128],
    ]);
    for (let k = 0; k < 20; k++) await giveAndWait({ topic: `t${k}`, payload: frames[0] });
    assert.deepEqual(ledger.errors, []);
  });

  it('drops what is in flight on reset, quietly', async () => {
    await start();
    await giveAndWait({ payload: frames[0] });
    for (let k = 0; k < 3; k++) give({ payload: frames[k] });
    give({ reset: true });
    await until(() => ledger.ended === 5, PATIENCE, outcome);
    assert.deepEqual(ledger.errors, []);
    assert.ok(out().length < 4);
    await giveAndWait({ reset: true, payload: frames[4], frame: { id: 'after' } });
    assert.equal((out().at(-1)!.frame as FrameInfo).id, 'after');
  });

  it('reports what concerns every frame with one message, and recovers from it', async () => {
    await start({ width: '100' });
    for (let k = 0; k < 5; k++) await giveAndWait({ payload: frames[k] });
    assert.deepEqual(ledger.errors, ['EBADPARAM']);
    assert.equal(ledger.done.length, 4);
    await giveAndWait({ params: { width: 96 } });
    await giveAndWait({ payload: frames[0] });
    assert.equal(out().length, 1, outcome());
  });

  it('names what is wrong with a model, once, and shows it', async () => {
    const torn = await changedModel({ 'unet/model.onnx': 'not a net' });
    const cases: [string, object][] = [
      ['ENOMODEL', { modelType: 'str', model: '/nowhere/model' }],
      ['ENOMODEL', { modelType: 'str', model: await changedModel({ 'unet/model.onnx': null }) }],
      ['EBADMODEL', { modelType: 'str', model: torn }],
      ['ENOPROVIDER', { executionProviders: 'nosuchprovider' }],
    ];
    for (const [code, engineFields] of cases) {
      await start({}, engineFields);
      const statuses = calls('denoiser', 'status') as { fill?: string }[];
      for (let k = 0; k < 4; k++) give({ payload: frames[k] });
      await until(
        () => ledger.ended === 4 && statuses.at(-1)?.fill === 'red',
        PATIENCE,
        () => `${code}: ${outcome()}, ${JSON.stringify(statuses)}`,
      );
      for (let k = 0; k < 3; k++) await giveAndWait({ payload: frames[k] });
      assert.deepEqual(ledger.errors, [code]);
      await helper.unload();
    }
  });

  it('stands still with an explanation when its dialog cannot work', async () => {
    const cases = [
      { engine: '' },
      { engine: 'nowhere' },
      { steps: 'many' },
      { stepsBy: 'list', tIndexList: '5, 60' },
      { width: '-1' },
      { cfgType: 'best' },
    ];
    for (const fields of cases) {
      await start(fields);
      for (let k = 0; k < 3; k++) await giveAndWait({ payload: frames[k] });
      assert.deepEqual([ledger.errors, ledger.done.length], [['EBADPARAM'], 2], JSON.stringify(fields));
      await helper.unload();
    }
  });

  it('shows loading, then frames per second and latency, at most once a second', async () => {
    await startFlow([engine, denoiser], flowWith({}, { threads: '2' }));
    ledger = keepLedger('denoiser', ['out']);
    const times: number[] = [];
    const statuses = calls('denoiser', 'status') as { fill: string; text: string }[];
    helper.getNode('denoiser').on('call:status' as 'input', () => times.push(performance.now()));
    const source = setInterval(async () => give({ payload: (await jpeg({ r: 1, g: 2, b: 3 })).data }), 40);
    await until(
      () => statuses.some(({ text }) => /^\d+(\.\d)? fps · \d+ ms$/.test(text)),
      PATIENCE,
      () => JSON.stringify(statuses),
    );
    clearInterval(source);
    for (let k = 1; k < times.length; k++) assert.ok(times[k] - times[k - 1] > 900, `${times[k] - times[k - 1]} ms`);
  });

  it('tells a Catch node what is wrong, with its code', async () => {
    await startFlow(
      [engine, denoiser],
      [
        { id: 'tab', type: 'tab' },
        ...flowWith().map((node) => (node.id === 'engine' ? node : { ...node, z: 'tab' })),
        { id: 'catch-node', type: 'catch', z: 'tab', scope: ['denoiser'], wires: [['caught']] },
        { id: 'caught', type: 'helper', z: 'tab', wires: [] },
      ],
    );
    const caught = messagesAt('caught', 1);
    give({ payload: 'a text', mine: 1 });
    const [{ error, mine }] = await caught;
    const { code, message } = error as { code: string; message: string };
    assert.deepEqual([code, mine], ['EBADFRAME', 1]);
    assert.match(message, /a text/);
  });

  it('goes on by itself when the engine is killed, and says so with one message', async () => {
    await start();
    const phases: string[] = [];
    const user = { onState: ({ phase }: { phase: string }): unknown => phases.push(phase) };
    const host = (helper.getNode('engine') as EngineNode).register(user);
    await giveAndWait({ params: { width: 96 } });
    await giveAndWait({ payload: frames[0] });
    let given = ledger.ended;
    const source = setInterval(() => give({ payload: frames[given++ % 8] }), 20);
    process.kill(host.pid ?? 0, 'SIGKILL');
    await until(
      () => phases.includes('restarting'),
      PATIENCE,
      () => phases.join(),
    );
    const sent = out().length;
    await until(() => out().length > sent + 3, PATIENCE, outcome);
    clearInterval(source);
    await until(() => ledger.ended === given, PATIENCE, outcome);
    assert.equal((out().at(-1)!.frame as FrameInfo).width, 96);
    assert.ok(ledger.errors.length <= 1 && ledger.errors.every((code) => code === 'EHOST'), ledger.errors.join(' '));
    await (helper.getNode('engine') as EngineNode).deregister(user);
  });

  it('leaves nothing open when it is deployed again, and does not load the model again', async () => {
    await start();
    await giveAndWait({ payload: frames[0] });
    const logged = calls('engine', 'log') as string[];
    give({ payload: frames[0] });
    await helper.setFlows(flowWith({ seed: '9' }), 'nodes');
    await until(() => ledger.ended === 2, PATIENCE, outcome);
    const sent = out().length;
    await giveAndWait({ payload: frames[0] });
    assert.equal(out().length, sent + 1);
    assert.deepEqual(ledger.errors, []);
    assert.deepEqual(
      logged.filter((line) => line.includes('loading')),
      [],
    );
  });
});
