import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { EngineProcess } from '../../engine/host/client/engine-process';
import { stopAllHosts } from '../../engine/host/client';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import prompt from '../../nodes/prompt';
import { PATIENCE, calls, helper, messagesAt, startFlow, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { jpegs } from '../lib/pictures';

const FLOW: FlowNode[] = [
  { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
  { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'sea', wires: [['denoiser']] },
  {
    id: 'denoiser',
    type: 'streamdiffusion-denoiser',
    engine: 'engine',
    width: '64',
    height: '64',
    steps: '1',
    wires: [['out'], ['status']],
  },
  { id: 'out', type: 'helper' },
  { id: 'status', type: 'helper' },
];

interface StatusMessage {
  payload: { streams: { stream: string; in: number; out: number }[] };
}

describe('topics of a denoiser', () => {
  let ledger: Ledger;
  let frames: Buffer[];
  let warnings: unknown[];
  const { request } = EngineProcess.prototype;
  /** Streams that the engine process was asked to open, and how many of these wait for their answer. */
  let opened: number;
  let opening: number;
  let mostOpening: number;

  before(async () => {
    frames = (await jpegs(4)).map(({ data }) => Buffer.from(data));
    EngineProcess.prototype.request = async function (this: EngineProcess, method: string, params: object) {
      if (method !== 'open') return Reflect.apply(request, this, [method, params]);
      opened++;
      mostOpening = Math.max(mostOpening, ++opening);
      try {
        return await Reflect.apply(request, this, [method, params]);
      } finally {
        opening--;
      }
    } as typeof request;
  });
  beforeEach(async () => {
    opened = opening = mostOpening = 0;
    await startFlow([engine, prompt, denoiser], FLOW);
    ledger = keepLedger('denoiser', ['out']);
    // The prompt of the encoder's dialog.
    await until(() => ledger.ended === 1);
    warnings = calls('denoiser', 'warn');
  });
  afterEach(() => helper.unload());
  after(async () => {
    EngineProcess.prototype.request = request;
    await stopAllHosts();
  });

  const give = (msg: object): void => helper.getNode('denoiser').receive(msg as NodeMessage);
  async function giveAndWait(msg: object): Promise<void> {
    const before = ledger.ended;
    give(msg);
    await until(
      () => ledger.ended > before,
      PATIENCE,
      () => ledger.errors.join(),
    );
  }
  const widths = (): [string, number][] => ledger.sent[0].map(({ frame }) => [(frame as FrameInfo).stream, (frame as FrameInfo).width]);
  async function streams(): Promise<string[]> {
    const [status] = (await messagesAt('status', 1)) as unknown as StatusMessage[];
    return status.payload.streams.map(({ stream }) => stream);
  }

  it('settings under a topic that no frame has are for the frames without one, and open no stream', async () => {
    await giveAndWait({ payload: frames[0] });
    await giveAndWait({ topic: 'art/size', params: { width: 96 } });
    await giveAndWait({ payload: frames[0] });
    assert.deepEqual(widths(), [
      ['', 64],
      ['', 96],
    ]);
    for (let k = 0; k < 20; k++) await giveAndWait({ topic: `art/${k}`, params: { seed: k } });
    assert.deepEqual(await streams(), ['']);
    await giveAndWait({ payload: frames[0] });
    assert.deepEqual(widths().at(-1), ['', 96], 'it is the stream that it was');
    assert.equal(opened, 1);
    assert.deepEqual([ledger.errors, warnings], [[], []]);
  });

  it('settings that come before the first frame are for the first frame without a topic, whatever their own', async () => {
    await giveAndWait({ topic: 'art/size', params: { width: 96 } });
    await giveAndWait({ topic: 'art/other', params: { height: 80 } });
    await giveAndWait({ params: { seed: 3 } });
    assert.equal(opened, 0);
    await giveAndWait({ payload: frames[0] });
    const { width, height } = ledger.sent[0][0].frame as FrameInfo;
    assert.deepEqual([width, height], [96, 80]);
    assert.deepEqual(warnings, []);
  });

  it('a prompt from MQTT beside the line reaches the frames, whatever its topic', async () => {
    await giveAndWait({ params: { mode: 'txt2img', format: 'png', tIndexList: [0, 25] } });
    const paint = async (): Promise<string> => {
      await giveAndWait({ payload: 1 });
      return (ledger.sent[0].at(-1)!.payload as Buffer).toString('base64');
    };
    const before = await paint();
    assert.ok((await paint()) === before, 'the same prompt, the same picture');
    const { ended } = ledger;
    helper.getNode('prompt').receive({ topic: 'art/prompt', payload: 'night, aurora, snow' } as NodeMessage);
    await until(() => ledger.ended > ended);
    assert.ok((await paint()) !== before);
    assert.deepEqual(warnings, []);
  });

  it('settings whose topic no frame has, where all frames have one, wait for their own; a warning names both', async () => {
    await giveAndWait({ topic: 'left', payload: frames[0] });
    await giveAndWait({ topic: 'right', params: { width: 96 } });
    await giveAndWait({ topic: 'right', params: { height: 80 } });
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]), /"right".*"left"/);
    await giveAndWait({ topic: 'left', payload: frames[0] });
    await giveAndWait({ topic: 'right', payload: frames[0] });
    assert.deepEqual(widths(), [
      ['left', 64],
      ['left', 64],
      ['right', 96],
    ]);
    await giveAndWait({ topic: 'art/prompt', conditioning: { prompt: 'night' } });
    await giveAndWait({ topic: 'art/prompt', conditioning: { prompt: 'day' } });
    assert.equal(warnings.length, 2);
    assert.match(String(warnings[1]), /"art\/prompt".*"left", "right"/);
  });

  it('the warning comes also where settings were there before the frames', async () => {
    await giveAndWait({ topic: 'art/size', params: { width: 96 } });
    assert.deepEqual(warnings, []);
    await giveAndWait({ topic: 'camera', payload: frames[0] });
    assert.match(String(warnings[0]), /"art\/size".*"camera"/);
    assert.deepEqual(widths(), [['camera', 64]]);
  });

  it('settings that cannot work are refused under any topic, and nothing changes', async () => {
    for (const topic of ['', 'art', 'left']) {
      await giveAndWait({ topic, params: { width: 96.5 } });
      await giveAndWait({ topic, params: { nothing: 1 } });
    }
    await giveAndWait({ payload: frames[0] });
    // By now it is known that this model works in steps of 16 pixels.
    await giveAndWait({ topic: 'right', params: { width: 100 } });
    await giveAndWait({ topic: 'right', payload: frames[0] });
    assert.deepEqual(widths(), [
      ['', 64],
      ['right', 64],
    ]);
    assert.deepEqual(ledger.errors, new Array(7).fill('EBADPARAM'));
  });

  it('a reset under a topic that no frame has is for the frames without one', async () => {
    await giveAndWait({ payload: frames[0] });
    give({ payload: frames[0] });
    give({ payload: frames[1] });
    give({ topic: 'art/reset', reset: true });
    await until(() => ledger.ended === 5);
    assert.ok(ledger.sent[0].length < 3);
  });

  it('a stream that had to make room comes back with the settings it had', async () => {
    await giveAndWait({ topic: 'a', payload: frames[0], params: { width: 96 } });
    for (let k = 0; k < 8; k++) await giveAndWait({ topic: `t${k}`, payload: frames[0] });
    assert.ok(!(await streams()).includes('a'));
    await giveAndWait({ topic: 'a', payload: frames[0] });
    assert.deepEqual(widths().at(-1), ['a', 96]);
  });

  it('many new topics open few streams, one at a time, and the stream at work stays', async () => {
    await giveAndWait({ topic: 'camera', payload: frames[0] });
    await giveAndWait({ topic: 'camera', payload: frames[1], params: { width: 96 } });
    for (let k = 0; k < 1500; k++) give({ topic: `t${k}`, payload: frames[k % 4] });
    await until(
      () => ledger.ended === 1503,
      PATIENCE,
      () => `${ledger.ended} ended`,
    );
    await giveAndWait({ topic: 'camera', payload: frames[0] });
    assert.deepEqual(widths().at(-1), ['camera', 96]);
    assert.ok(opened <= 12, `${opened} streams were opened: those that made room before their turn are withdrawn`);
    assert.equal(mostOpening, 1);
    assert.deepEqual(ledger.errors, ['EBADPARAM'], 'told once');
    assert.ok((await streams()).includes('camera'));
  });
});
