import assert from 'node:assert/strict';
import { WebSocket } from 'ws';
import sink from '../../nodes/sink';
import { LoopClock } from '../lib/strain';
import { WebFlow } from '../lib/web-flow';

describe('a login in front of pages', () => {
  let web: WebFlow;
  before(async () => {
    web = await WebFlow.start([sink], [{ id: 'sink', type: 'streamdiffusion-sink', name: 'live' }], { guard: () => undefined });
  });
  after(() => web.stop());

  it('that never answers: the connection is ended at its deadline', async () => {
    const clock = new LoopClock();
    const socket = new WebSocket(`${web.address.replace('http', 'ws')}/live`);
    await new Promise((resolve) => socket.once('error', resolve));
    assert.ok(clock.ms < 30_000, `${clock.ms} ms`);
    clock.stop();
  });
});
