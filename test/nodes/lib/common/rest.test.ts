import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { Rest, wakeAll } from '../../../../nodes/lib/common/rest';

describe('a rest while nobody looks', () => {
  let wanted: boolean;
  let painted: [string, unknown][];
  let rest: Rest;
  const takes = (payload: unknown, topic = '', more: object = {}): boolean => rest.takes({ payload, ...more } as NodeMessage, topic);

  beforeEach(() => {
    wanted = false;
    painted = [];
    rest = new Rest(
      () => wanted,
      (msg, topic) => painted.push([topic, msg.payload]),
    );
  });
  afterEach(() => rest.close());

  it('takes frames, and gives the newest of each topic back to be painted when somebody looks', () => {
    for (const [payload, topic] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
    ] as const)
      assert.equal(takes(payload, topic), true);
    assert.equal(rest.isResting, true);
    assert.equal(wakeAll(), false, 'nobody looks at these pictures');
    assert.equal(rest.isResting, true);
    wanted = true;
    assert.equal(wakeAll(), true);
    assert.deepEqual(painted, [
      ['b', 2],
      ['a', 3],
    ]);
    assert.equal(rest.isResting, false);
    assert.equal(wakeAll(), false, 'once');
  });

  it('takes none while somebody looks; the frame that finds it so takes the place of the one that was held', () => {
    takes(1, 'a');
    takes(2, 'b');
    wanted = true;
    assert.equal(takes(3, 'a'), false);
    assert.deepEqual(painted, [['b', 2]]);
  });

  it('takes none that asks for a snapshot or a recording, and goes on resting', () => {
    takes(1);
    assert.equal(takes(2, '', { snapshot: true }), false);
    assert.equal(takes(3, '', { record: false }), false);
    assert.equal(rest.isResting, true);
    assert.deepEqual(painted, []);
  });

  it('holds pictures of its own: whoever sent them may draw on the same bytes', () => {
    const picture = (): { data: Buffer; width: number; height: number } => ({ data: Buffer.alloc(3, 7), width: 1, height: 1 });
    const [payload, depth] = [picture(), picture()];
    let held: NodeMessage | undefined;
    rest = new Rest(
      () => wanted,
      (msg) => {
        held = msg;
      },
    );
    takes(payload, '', { pictures: { depth } });
    for (const drawn of [payload, depth]) drawn.data.fill(0);
    wanted = true;
    rest.wake();
    const { payload: mine, pictures } = held as unknown as { payload: { data: Buffer }; pictures: { depth: { data: Buffer } } };
    assert.deepEqual([...mine.data, ...pictures.depth.data], [7, 7, 7, 7, 7, 7]);
  });

  it('holds eight topics', () => {
    for (let k = 0; k < 20; k++) takes(k, `t${k}`);
    wanted = true;
    rest.wake();
    assert.deepEqual(
      painted.map(([, payload]) => payload),
      [12, 13, 14, 15, 16, 17, 18, 19],
    );
  });

  it('forgets what a reset concerns', () => {
    for (const topic of ['a', 'b']) takes(topic, topic);
    rest.reset('a');
    wanted = true;
    assert.equal(rest.wake(), true);
    assert.deepEqual(painted, [['b', 'b']]);
    wanted = false;
    takes('c', 'c');
    rest.reset('');
    wanted = true;
    assert.equal(rest.wake(), false);
  });

  it('holds pictures as they were, whatever their sender does with the same bytes or the same message meanwhile', () => {
    const file = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]);
    const data = Buffer.alloc(12, 9);
    const msg = { payload: file } as NodeMessage;
    rest.takes(msg, 'file');
    takes({ data, width: 2, height: 2, colorSpace: 'BGR' }, 'raw');
    file.fill(0);
    data.fill(0);
    msg.payload = 'another';
    wanted = true;
    rest.wake();
    assert.deepEqual(painted, [
      ['file', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3])],
      ['raw', { data: Buffer.alloc(12, 9), width: 2, height: 2, channels: 3, colorSpace: 'BGR' }],
    ]);
  });

  it('is over with its denoiser', () => {
    takes(1);
    rest.close();
    wanted = true;
    assert.equal(wakeAll(), false);
    assert.deepEqual(painted, []);
  });
});
