import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import source from '../../nodes/source';
import { calls, helper, messagesAt, startFlow, until } from '../lib/flow';
import { flowOf, frameOf } from '../lib/source-flow';
import { strain } from '../lib/strain';
import { standsStill } from '../lib/until';

describe('frame source', () => {
  afterEach(() => helper.unload());

  it('shows the test card when nothing is set, as the contract has it', async () => {
    await startFlow([source], flowOf({ topic: 'stage' }));
    const started = Date.now();
    const messages = await messagesAt('out', 5);
    for (const [i, msg] of messages.entries()) {
      const { width, height, format } = await sharp(msg.payload as Buffer).metadata();
      assert.deepEqual([width, height, format], [256, 256, 'jpeg']);
      assert.deepEqual([msg.contentType, msg.topic], ['image/jpeg', 'stage']);
      const frame = frameOf(msg);
      assert.deepEqual([frame.width, frame.height, frame.source], [256, 256, 'test-card']);
      assert.equal(frame.id, frameOf(messages[0]).id + i);
      assert.ok(frame.timestamp >= started - 1000 && frame.timestamp <= Date.now());
    }
    assert.equal(new Set(messages.map((msg) => (msg.payload as Buffer).toString('base64'))).size, 5, 'every picture is another');
  });

  it('keeps its rate and size', async () => {
    await startFlow([source], flowOf({ fps: '20', width: '128', height: '64' }));
    const messages = await messagesAt('out', 21);
    const { width, height } = await sharp(messages[0].payload as Buffer).metadata();
    assert.deepEqual([width, height], [128, 64]);
    const times = messages.map((msg) => frameOf(msg).timestamp);
    const seconds = (times[20] - times[0]) / 1000;
    assert.ok(seconds > 0.8, `20 frames took ${seconds} s`);
    // Half of the pauses: a machine that stands still now and then makes some longer.
    const pauses = times.slice(1).map((time, k) => time - times[k]);
    const median = pauses.sort((a, b) => a - b)[10];
    assert.ok(median > 25 && median < 95 * strain(), `a frame came every ${median} ms`);
  });

  it('is started and stopped by messages', async () => {
    await startFlow([source], flowOf({ autostart: false }));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    const node = helper.getNode('source');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(arrived.length, 0, 'nothing comes before the start');

    node.receive({ payload: true });
    await until(() => arrived.length > 2);
    node.receive({ payload: 'stop' });
    await standsStill(() => arrived.length, 400);
    const count = arrived.length;

    node.receive({ payload: 'start' });
    await until(() => arrived.length > count);
  });

  it('says what it takes when a message asks for something else', async () => {
    const nodes = [
      ...flowOf({ autostart: false }),
      { id: 'catcher', type: 'catch', scope: null, wires: [['caught']] },
      { id: 'caught', type: 'helper' },
    ];
    await startFlow([source], [{ id: 'tab', type: 'tab' }, ...nodes.map((node) => ({ ...node, z: 'tab' }))]);
    helper.getNode('source').receive({ payload: 'sing' });
    const [msg] = await messagesAt('caught', 1);
    const error = msg.error as { message: string; code: string };
    assert.equal(error.code, 'EBADPARAM');
    assert.match(error.message, /"start".*"sing"/);
  });

  it('refuses fields that cannot work, with the field in the error', async () => {
    for (const [fields, field] of [
      [{ fps: 'NaN' }, 'fps'],
      [{ fps: '0' }, 'fps'],
      [{ width: '-1' }, 'width'],
      [{ height: '12.5' }, 'height'],
      [{ kind: 'moon' }, 'kind'],
      [{ kind: 'folder' }, 'folder'],
      [{ kind: 'camera', camera: ' ' }, 'camera'],
    ] as const) {
      await startFlow([source], flowOf({ ...fields, autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => errors.length > 0);
      assert.equal((errors[0] as { code: string }).code, 'EBADPARAM');
      assert.match(String(errors[0]), new RegExp(field));
      await helper.unload();
    }
  });
});
