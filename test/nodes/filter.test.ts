import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import filter from '../../nodes/filter';
import prompt from '../../nodes/prompt';
import { PATIENCE, calls, helper, messagesAt, startFlow, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { jpegs } from '../lib/pictures';

function flowWith(fields: object = {}): FlowNode[] {
  return [
    { id: 'filter', type: 'streamdiffusion-filter', ...fields, wires: [['passed'], ['skipped']] },
    { id: 'passed', type: 'helper' },
    { id: 'skipped', type: 'helper' },
  ];
}

describe('similarity filter', () => {
  let ledger: Ledger;
  let frames: Buffer[];

  before(async () => {
    frames = (await jpegs(6)).map(({ data }) => Buffer.from(data));
  });
  afterEach(() => helper.unload());

  async function start(fields: object = {}): Promise<void> {
    await startFlow([filter], flowWith(fields));
    ledger = keepLedger('filter', ['passed', 'skipped']);
  }

  /** Gives a message and waits until it has ended. Returns where it went. */
  async function give(msg: object): Promise<string> {
    const [ended, passed, skipped] = [ledger.ended, ledger.sent[0].length, ledger.sent[1].length];
    helper.getNode('filter').receive(msg as NodeMessage);
    await until(() => ledger.ended === ended + 1);
    return `${'passed '.repeat(ledger.sent[0].length - passed)}${'skipped '.repeat(ledger.sent[1].length - skipped)}`.trim();
  }

  async function giveAll(msgs: object[]): Promise<string[]> {
    const ways: string[] = [];
    for (const msg of msgs) ways.push(await give(msg));
    return ways;
  }

  const still = (count: number, more: object = {}): object[] => Array.from({ length: count }, () => ({ payload: frames[0], ...more }));

  it('lets the first frame of a still scene pass, then one after each maxSkipFrame skipped ones', async () => {
    await start({ maxSkipFrame: '3' });
    const ways = await giveAll(still(9));
    assert.deepEqual(ways, ['passed', 'skipped', 'skipped', 'skipped', 'passed', 'skipped', 'skipped', 'skipped', 'passed']);
  });

  it('lets a moving scene pass', async () => {
    for (const measure of ['cosine', 'centred-cosine', 'mse']) {
      await start({ measure, threshold: '0.999' });
      assert.deepEqual(new Set(await giveAll(frames.map((payload) => ({ payload })))), new Set(['passed']), measure);
      await helper.unload();
    }
  });

  it('sends the message itself, unchanged, to one output', async () => {
    await start();
    await giveAll([
      { payload: frames[0], mine: 1 },
      { payload: frames[0], mine: 2 },
    ]);
    assert.deepEqual([ledger.sent[0][0].mine, ledger.sent[1][0].mine], [1, 2]);
    assert.equal(ledger.sent[0][0].payload, frames[0]);
    assert.equal(ledger.sent[1][0].payload, frames[0]);
  });

  it('lets a still scene pass whose further picture moves, or comes, or goes', async () => {
    await start();
    const ways = await giveAll([
      { payload: frames[0], pictures: { depth: frames[1] } },
      { payload: frames[0], pictures: { depth: frames[1] } },
      { payload: frames[0], pictures: { depth: frames[2] } },
      { payload: frames[0], pictures: { depth: frames[2] } },
      { payload: frames[0] },
      { payload: frames[0], pictures: {} },
    ]);
    assert.deepEqual(ways, ['passed', 'skipped', 'passed', 'skipped', 'passed', 'skipped']);
    await give({ payload: frames[0], pictures: { depth: 'no picture' } });
    assert.deepEqual(ledger.errors, ['EBADFRAME']);
  });

  it('compares within a topic', async () => {
    await start();
    const ways = await giveAll([
      { topic: 'a', payload: frames[0] },
      { topic: 'b', payload: frames[0] },
      { topic: 'a', payload: frames[0] },
      { topic: 'b', payload: frames[1] },
    ]);
    assert.deepEqual(ways, ['passed', 'passed', 'skipped', 'passed']);
  });

  it('remembers the topics that were used last, and no more', async () => {
    await start();
    for (let k = 0; k < 40; k++) assert.equal(await give({ topic: `t${k}`, payload: frames[0] }), 'passed');
    assert.equal(await give({ topic: 't39', payload: frames[0] }), 'skipped');
    assert.equal(await give({ topic: 't0', payload: frames[0] }), 'passed');
  });

  it('forgets on reset: one topic, or all', async () => {
    await start();
    await giveAll([
      { topic: 'a', payload: frames[0] },
      { topic: 'b', payload: frames[0] },
    ]);
    assert.equal(await give({ topic: 'a', reset: true }), 'passed');
    assert.deepEqual(
      await giveAll([
        { topic: 'a', payload: frames[0] },
        { topic: 'b', payload: frames[0] },
      ]),
      ['passed', 'skipped'],
    );
    await give({ reset: true });
    assert.deepEqual(
      await giveAll([
        { topic: 'a', payload: frames[0] },
        { topic: 'b', payload: frames[0] },
      ]),
      ['passed', 'passed'],
    );
    assert.equal(await give({ topic: 'a', payload: frames[0], reset: true }), 'passed');
  });

  it('lets a frame pass whose conditioning or parameters changed', async () => {
    await start();
    const [day, night] = [
      { conditioning: { prompt: [{ text: 'day', weight: 1 }] } },
      { conditioning: { prompt: [{ text: 'night', weight: 1 }] } },
    ];
    const msgs = [day, day, night, night, { ...night, params: { seed: 3 } }, { ...night, params: { seed: 3 } }].map((more) => ({
      payload: frames[0],
      ...more,
    }));
    assert.deepEqual(await giveAll(msgs), ['passed', 'skipped', 'passed', 'skipped', 'passed', 'skipped']);
  });

  it('passes messages on that carry settings only, and then the next frame', async () => {
    await start();
    await give({ payload: frames[0] });
    for (const msg of [
      { prompt: 'sea' },
      { params: { strength: 0.4 } },
      { conditioning: { prompt: [] }, payload: '' },
      { prompt: 'sea', payload: Date.now() },
    ]) {
      assert.equal(await give(msg), 'passed');
      assert.deepEqual(await giveAll(still(2)), ['passed', 'skipped']);
    }
    assert.deepEqual(ledger.errors, []);
  });

  it('lets the next frame pass when the prompt encoder behind it has another prompt, and all frames while one becomes another', async () => {
    await startFlow(
      [filter, prompt],
      [
        ...flowWith({ maxSkipFrame: '100' }),
        { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'day', wires: [['behind']] },
        { id: 'behind', type: 'helper' },
      ],
    );
    ledger = keepLedger('filter', ['passed', 'skipped']);
    const change = async (msg: object): Promise<void> => {
      const passedOn = messagesAt('behind', 1);
      helper.getNode('prompt').receive(msg as NodeMessage);
      await passedOn;
    };
    assert.deepEqual(await giveAll(still(2, { topic: 'a' })), ['passed', 'skipped']);
    await change({ prompt: 'night', topic: 'b' });
    assert.deepEqual(await giveAll(still(1, { topic: 'a' })), ['skipped']);
    for (const topic of ['a', '']) {
      await change({ prompt: `night ${topic}`, topic });
      assert.deepEqual(await giveAll(still(2, { topic: 'a' })), ['passed', 'skipped']);
    }
    await change({ prompt: 'day', transition: 60_000 });
    for (let k = 0; k < 3; k++) {
      assert.deepEqual(await giveAll(still(1, { topic: 'a' })), ['passed']);
      await change({ payload: frames[0], topic: 'a' });
    }
  });

  it('ends every message of a burst once, keeps the order, and looks at the newest', async () => {
    await start({ threshold: '1' });
    const node = helper.getNode('filter');
    for (let k = 0; k < 50; k++) node.receive({ payload: frames[k % 6], frame: { id: k } } as NodeMessage);
    await until(() => ledger.ended === 50);
    const ids = ledger.sent[0].map(({ frame }) => (frame as { id: number }).id);
    assert.ok(ids.length < 50 && ids.at(-1) === 49, String(ids));
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
    assert.deepEqual(ledger.errors, []);
  });

  it('sees what a sender draws anew on the same Buffer, encoded or raw', async () => {
    await start({ threshold: '0.999', maxSkipFrame: '100' });
    const largest = Math.max(...frames.map(({ length }) => length));
    const file = Buffer.alloc(largest);
    const pixels = Buffer.alloc(64 * 64 * 3);
    for (let k = 0; k < 12; k++) {
      // What follows the end of a JPEG does not matter.
      file.fill(0);
      frames[k % 6].copy(file);
      assert.equal(await give({ payload: file, topic: 'file' }), 'passed', `file ${k}`);
      pixels.fill(k % 2 ? 200 : 40).fill(255, 0, 2000 * (k % 6));
      assert.equal(await give({ payload: { data: pixels, width: 64, height: 64 }, topic: 'raw' }), 'passed', `pixels ${k}`);
    }
    assert.equal(await give({ payload: file, topic: 'file' }), 'skipped');
    assert.equal(await give({ payload: { data: pixels, width: 64, height: 64 }, topic: 'raw' }), 'skipped');
  });

  it('refuses what is not a picture, and goes on', async () => {
    await start();
    const bad = [Buffer.alloc(0), frames[0].subarray(0, 300), 'text', 5, { width: 3 }, undefined];
    for (const payload of bad) assert.equal(await give({ payload }), '');
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADFRAME'),
    );
    assert.equal(await give({ payload: frames[0] }), 'passed');
  });

  it('stands still with an explanation when its dialog cannot work', async () => {
    for (const fields of [{ threshold: '2' }, { threshold: 'high' }, { maxSkipFrame: '1.5' }, { measure: 'eye' }, { seed: '-1' }]) {
      await start(fields);
      assert.deepEqual(await giveAll(still(2)), ['', '']);
      assert.deepEqual([ledger.errors, ledger.done.length], [['EBADPARAM'], 1], JSON.stringify(fields));
      await helper.unload();
    }
  });

  it('sends away a waiting frame when it is closed', async () => {
    await start();
    const node = helper.getNode('filter');
    for (let k = 0; k < 3; k++) node.receive({ payload: frames[k] } as NodeMessage);
    await new Promise(setImmediate);
    await helper.setFlows(flowWith({ seed: '7' }), 'nodes');
    await until(() => ledger.ended === 3);
  });

  it('shows its rate once a second', async () => {
    await start();
    const statuses = calls('filter', 'status') as { text: string; fill: string }[];
    await giveAll(still(4));
    await until(() => statuses.some(({ text }) => text === 'status.rate'));
    await until(
      () => statuses.at(-1)?.text.endsWith('ready') === true,
      PATIENCE,
      () => JSON.stringify(statuses),
    );
  });
});
