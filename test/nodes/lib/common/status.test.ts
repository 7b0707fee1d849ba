import assert from 'node:assert/strict';
import type { NodeStatus } from 'node-red';
import { Status } from '../../../../nodes/lib/common/status';

const INTERVAL = 60;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('status', () => {
  let shown: NodeStatus[];
  let status: Status;

  beforeEach(() => {
    shown = [];
    const node = { status: (value: string | NodeStatus) => void shown.push(value as NodeStatus) };
    status = new Status(node, (key, values) => `${key.split('.').at(-1)}${values ? ` ${JSON.stringify(values)}` : ''}`, INTERVAL);
  });
  afterEach(() => status.close());

  it('shows the first one at once, then the newest one of each interval', async () => {
    for (let k = 0; k < 10; k++) status.running(20 + k, 80);
    assert.deepEqual(
      shown.map(({ text }) => text),
      ['running {"fps":20,"ms":80}'],
    );
    await pause(INTERVAL * 1.5);
    assert.deepEqual(
      shown.map(({ text }) => text),
      ['running {"fps":20,"ms":80}', 'running {"fps":29,"ms":80}'],
    );
  });

  it('sends only what changed', async () => {
    for (let k = 0; k < 5; k++) {
      status.ready();
      await pause(INTERVAL * 1.5);
    }
    assert.equal(shown.length, 1);
  });

  it('has words, a colour and a shape for each state', async () => {
    const expected: [() => void, NodeStatus][] = [
      [() => status.loading(0.345), { fill: 'blue', shape: 'dot', text: 'loadingPercent {"percent":34}' }],
      [() => status.loading(), { fill: 'blue', shape: 'dot', text: 'loading' }],
      [() => status.running(4.26, 80.6), { fill: 'green', shape: 'dot', text: 'running {"fps":4.3,"ms":81}' }],
      [() => status.restarting(), { fill: 'yellow', shape: 'ring', text: 'restarting' }],
      [() => status.stopped(), { fill: 'grey', shape: 'ring', text: 'stopped' }],
      [
        () => status.error(new Error('no model folder at /a/very/long/way/to/nowhere')),
        { fill: 'red', shape: 'ring', text: 'no model folder at …/nowhere' },
      ],
      [
        () => status.error(new Error(`the shutter of this camera is stuck, ${'really '.repeat(9)}`)),
        { fill: 'red', shape: 'ring', text: 'the shutter of this camera is stuck, re…' },
      ],
    ];
    for (const [show, look] of expected) {
      show();
      await pause(INTERVAL * 1.5);
      assert.deepEqual(shown.at(-1), look);
    }
  });

  it('keeps the reason of an error in view: paths by their last part, no tags of ffmpeg, addresses as they are', async () => {
    for (const [message, text] of [
      ['/home/me/films/sea.mp4 cannot be played: none', '…/sea.mp4 cannot be played: none'],
      ['C:\\films\\sea.mp4 cannot be played: none', '…\\sea.mp4 cannot be played: none'],
      ['/dev/video7 cannot be played: [video4linux2,v4l2] busy', '…/video7 cannot be played: busy'],
      ['/models/mine lacks unet/model.onnx', '…/mine lacks unet/model.onnx'],
      ['http://10.0.0.7:8000/v2/models/unet: 404', 'http://10.0.0.7:8000/v2/models/unet: 404'],
      ['"look" makes [4, 64] of [2, 64]', '"look" makes [4, 64] of [2, 64]'],
    ]) {
      status.error(new Error(message));
      await pause(INTERVAL * 1.5);
      assert.equal(shown.at(-1)?.text, text);
    }
  });

  it('says nothing any more once it is closed', async () => {
    status.ready();
    status.running(24, 80);
    status.close();
    status.stopped();
    await pause(INTERVAL * 1.5);
    assert.equal(shown.length, 1);
  });
});
