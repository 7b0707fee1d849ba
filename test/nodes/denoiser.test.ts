import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import type { FrameInfo } from '../../nodes/lib/common/frame-message';
import { flowWith, setDenoiser } from '../lib/denoiser-flow';
import { PATIENCE, calls, helper, until } from '../lib/flow';
import { jpeg } from '../lib/pictures';

describe('stream-batch denoiser', () => {
  const denoiser = setDenoiser();

  it('paints a frame and sends it in the message that it came with', async () => {
    await denoiser.start();
    const given = performance.now();
    await denoiser.giveAndWait({
      payload: denoiser.frames[0],
      topic: 'camera',
      frame: { id: 'f1', timestamp: 123, source: 'here' },
      mine: { kept: true },
    });
    assert.deepEqual([denoiser.out.length, denoiser.ledger.done.length, denoiser.ledger.errors.length], [1, 1, 0]);
    const [msg] = denoiser.out;
    const { format, width, height } = await sharp(msg.payload as Buffer).metadata();
    assert.deepEqual([format, width, height, msg.contentType], ['jpeg', 64, 64, 'image/jpeg']);
    const { latencyMs, ...frame } = msg.frame as FrameInfo;
    assert.deepEqual(frame, { id: 'f1', timestamp: 123, source: 'here', width: 64, height: 64, stream: 'camera' });
    const took = performance.now() - given;
    assert.ok(latencyMs > 0 && latencyMs <= took, `${latencyMs} ms of ${took} in all`);
    assert.deepEqual(msg.mine, { kept: true });
  });

  it('ends every message once and keeps the frames in order, whatever had to be left out', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    for (let k = 0; k < 40; k++) denoiser.give({ payload: denoiser.frames[k % 8], frame: { id: k } });
    await denoiser.until(() => denoiser.ledger.ended === 41);
    assert.deepEqual(denoiser.ledger.errors, []);
    const ids = denoiser.out.slice(1).map(({ frame }) => (frame as FrameInfo).id as number);
    assert.ok(ids.length < 40, 'the newest frame wins: of a burst most are left out');
    assert.equal(ids.at(-1), 39, 'the last frame is never left out');
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
  });

  it('writes PNG and raw pixels', async () => {
    await denoiser.start({ format: 'png' });
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    assert.equal((await sharp(denoiser.out[0].payload as Buffer).metadata()).format, 'png');
    await denoiser.giveAndWait({ payload: denoiser.frames[0], params: { format: 'raw' } });
    const { data, width, height, channels } = denoiser.out[1].payload as { data: Buffer; width: number; height: number; channels: number };
    assert.deepEqual(
      [width, height, channels, data.length, denoiser.out[1].contentType],
      [64, 64, 3, 64 * 64 * 3, 'application/octet-stream'],
    );
    assert.ok(Buffer.isBuffer(data));
  });

  it('gives a picture for any message in text-to-image mode, and none for settings', async () => {
    await denoiser.start({ mode: 'txt2img', steps: '1', strength: '1' });
    await denoiser.giveAndWait({ payload: Date.now() });
    await denoiser.giveAndWait({});
    assert.equal(denoiser.out.length, 2);
    await denoiser.giveAndWait({ params: { seed: 7 } });
    await denoiser.giveAndWait({ reset: true });
    assert.equal(denoiser.out.length, 2);
    await denoiser.giveAndWait({ payload: 'again' });
    assert.notDeepEqual(denoiser.out[2].payload, denoiser.out[1].payload, 'another seed, another picture');
    assert.deepEqual(denoiser.ledger.errors, []);
  });

  it('denoises under the newest conditioning from the very first frame on', async () => {
    await denoiser.start({ mode: 'txt2img', steps: '1', strength: '1', format: 'png', cfgType: 'none' });
    const conditioning = { prompt: [{ text: 'night aurora snow', weight: 1 }] };
    await denoiser.giveAndWait({ payload: 1, topic: 'without' });
    await denoiser.giveAndWait({ conditioning });
    for (const topic of ['without', 'new', 'new']) await denoiser.giveAndWait({ payload: 1, topic });
    await denoiser.giveAndWait({ payload: 1, topic: 'new', conditioning: { prompt: [{ text: 'sunset', weight: 1 }] } });
    const [empty, changed, first, second, sunset] = denoiser.out.map(({ payload }) => (payload as Buffer).toString('base64'));
    assert.notEqual(changed, empty);
    assert.deepEqual([first === changed, second === changed], [true, true]);
    assert.notEqual(sunset, changed);
  });

  it('warns of what the model does not see of a prompt, once', async () => {
    await denoiser.start();
    const warnings = calls('denoiser', 'warn');
    const conditioning = { prompt: [{ text: 'night, zeppelin', weight: 1 }] };
    for (let k = 0; k < 3; k++) await denoiser.giveAndWait({ payload: denoiser.frames[k], conditioning });
    await until(() => warnings.length > 0);
    assert.deepEqual(warnings, ['This model does not know: zeppelin.']);
  });

  it('takes over live parameters, by message or on a frame, and keeps the old ones when they cannot work', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ params: { width: 96, strength: 0.8, steps: 1 } });
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    assert.equal((denoiser.out[0].frame as FrameInfo).width, 96);
    await denoiser.giveAndWait({ payload: denoiser.frames[0], params: { height: 128 } });
    assert.deepEqual([(denoiser.out[1].frame as FrameInfo).width, (denoiser.out[1].frame as FrameInfo).height], [96, 128]);

    const bad = [
      { guidanceScale: NaN },
      { strength: 2 },
      { tIndexList: [3, 2] },
      { tIndexList: [50] },
      { colour: 'red' },
      { width: 100 },
      5,
    ];
    for (const params of bad) await denoiser.giveAndWait({ params });
    assert.deepEqual(
      denoiser.ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    assert.deepEqual([(denoiser.out[2].frame as FrameInfo).width, (denoiser.out[2].frame as FrameInfo).height], [96, 128]);
  });

  it('applies the parameters of a frame that was left out to the next one', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    for (let k = 0; k < 20; k++)
      denoiser.give({ payload: denoiser.frames[k % 8], ...(k === 10 && { params: { width: 96 } }), frame: { id: k } });
    await denoiser.until(() => denoiser.ledger.ended === 21);
    const last = denoiser.out.at(-1)?.frame as FrameInfo;
    assert.deepEqual([last.id, last.width], [19, 96]);
    assert.ok(!denoiser.out.some(({ frame }) => (frame as FrameInfo).id === 10), 'frame 10 was meant to be left out');
  });

  it('makes every frame with the settings that came with it, however many are in flight', async () => {
    await denoiser.start({ width: '256', height: '256', steps: '4', format: 'raw' });
    const prompts = ['night aurora snow', 'sunset over the sea', 'a forest in the morning'];
    const message = (id: number) => ({
      payload: denoiser.frames[id % 8],
      frame: { id },
      conditioning: { prompt: [{ text: prompts[id % 3], weight: 1 }] },
      params: { strength: [0.5, 0.9][id % 2], guidanceScale: [1, 1.3, 1.8, 1.1][id % 4], seed: id % 5, steps: id % 7 === 6 ? 2 : 4 },
    });
    const pixels = (msg: NodeMessage): Buffer => (msg.payload as { data: Buffer }).data;
    const idOf = (msg: NodeMessage): number => (msg.frame as FrameInfo).id as number;
    await denoiser.giveAndWait(message(0));
    // As fast as the engine takes them, so that each meets frames with other settings on its way.
    let given = 1;
    for (const end = performance.now() + PATIENCE; given < 40 || (denoiser.out.length < 6 && performance.now() < end); given++) {
      denoiser.give(message(given));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await denoiser.until(() => denoiser.ledger.ended === given);
    const together = denoiser.out.slice(1);
    assert.ok(together.length >= 5, denoiser.outcome);
    for (const painted of together) {
      await denoiser.giveAndWait(message(idOf(painted)));
      const alone = denoiser.out.at(-1) as NodeMessage;
      assert.equal(idOf(alone), idOf(painted));
      const worst = pixels(painted).reduce((most, value, k) => Math.max(most, Math.abs(value - pixels(alone)[k])), 0);
      assert.ok(worst <= 1, `frame ${idOf(painted)} is off by ${worst}/255`);
    }
    assert.deepEqual(denoiser.ledger.errors, []);
  });

  it('keeps a stream for each topic', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ topic: 'a', params: { width: 96 } });
    await denoiser.giveAndWait({ topic: 'a', payload: denoiser.frames[0] });
    await denoiser.giveAndWait({ topic: 'b', payload: denoiser.frames[0] });
    await denoiser.giveAndWait({ params: { height: 128 } });
    await denoiser.giveAndWait({ topic: 'a', payload: denoiser.frames[0] });
    await denoiser.giveAndWait({ topic: 'c', payload: denoiser.frames[0] });
    const sizes = denoiser.out.map(({ frame }) => [(frame as FrameInfo).stream, (frame as FrameInfo).width, (frame as FrameInfo).height]);
    assert.deepEqual(sizes, [
      ['a', 96, 64],
      ['b', 64, 64],
      ['a', 96, 128],
      ['c', 64, 128],
    ]);
    for (let k = 0; k < 20; k++) await denoiser.giveAndWait({ topic: `t${k}`, payload: denoiser.frames[0] });
    assert.deepEqual(denoiser.ledger.errors, []);
  });

  it('drops what is in flight on reset, quietly', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    for (let k = 0; k < 3; k++) denoiser.give({ payload: denoiser.frames[k] });
    denoiser.give({ reset: true });
    await denoiser.until(() => denoiser.ledger.ended === 5);
    assert.deepEqual(denoiser.ledger.errors, []);
    assert.ok(denoiser.out.length < 4);
    await denoiser.giveAndWait({ reset: true, payload: denoiser.frames[4], frame: { id: 'after' } });
    assert.equal((denoiser.out.at(-1)!.frame as FrameInfo).id, 'after');
  });

  it('shows loading, then frames per second and latency, at most once a second', async () => {
    await denoiser.start({}, { threads: '2' });
    const times: number[] = [];
    const statuses = calls('denoiser', 'status') as { fill: string; text: string }[];
    helper.getNode('denoiser').on('call:status' as 'input', () => times.push(performance.now()));
    const source = setInterval(async () => denoiser.give({ payload: (await jpeg({ r: 1, g: 2, b: 3 })).data }), 40);
    await until(
      () => statuses.some(({ text }) => /^\d+(\.\d)? fps · \d+ ms$/.test(text)),
      PATIENCE,
      () => JSON.stringify(statuses),
    );
    clearInterval(source);
    for (let k = 1; k < times.length; k++) assert.ok(times[k] - times[k - 1] > 900, `${times[k] - times[k - 1]} ms`);
  });

  it('leaves nothing open when it is deployed again, and does not load the model again', async () => {
    await denoiser.start();
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    const logged = calls('engine', 'log') as string[];
    denoiser.give({ payload: denoiser.frames[0] });
    await helper.setFlows(flowWith({ seed: '9' }), 'nodes');
    await denoiser.until(() => denoiser.ledger.ended === 2);
    const sent = denoiser.out.length;
    await denoiser.giveAndWait({ payload: denoiser.frames[0] });
    assert.equal(denoiser.out.length, sent + 1);
    assert.deepEqual(denoiser.ledger.errors, []);
    assert.deepEqual(
      logged.filter((line) => line.includes('loading')),
      [],
    );
  });
});
