import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { stopAllHosts } from '../../../../engine/host/client';
import denoiser from '../../../../nodes/denoiser';
import engine from '../../../../nodes/engine';
import filter from '../../../../nodes/filter';
import { topicOf } from '../../../../nodes/lib/common/message';
import prompt from '../../../../nodes/prompt';
import { helper, startFlow, until } from '../../../lib/flow';
import { keepLedger } from '../../../lib/ledger';
import { jpegs } from '../../../lib/pictures';

describe('topics of messages', () => {
  afterEach(() => helper.unload());
  after(() => stopAllHosts());

  it('are texts, numbers and booleans; what is not a name keys no stream', () => {
    const topics = ['a', 7, false, { a: 1 }, ['b'], null, undefined, 'x'.repeat(1024)].map((topic) => topicOf({ topic } as NodeMessage));
    assert.deepEqual(topics, ['a', '7', 'false', '', '', '', '', 'x'.repeat(1024)]);
  });

  for (const type of ['filter', 'prompt', 'denoiser']) {
    it(`have at most 1024 characters: a ${type} refuses longer ones, of frames and of settings, and goes on`, async () => {
      const payload = Buffer.from((await jpegs(1))[0].data);
      await startFlow(
        [engine, filter, prompt, denoiser],
        [
          { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
          { id: 'node', type: `streamdiffusion-${type}`, engine: 'engine', width: '64', height: '64', wires: [['out']] },
          { id: 'out', type: 'helper' },
        ],
      );
      const ledger = keepLedger('node', ['out']);
      const give = (msg: object): void => helper.getNode('node').receive(msg as NodeMessage);
      const topic = 'x'.repeat(1025);
      for (const msg of [
        { payload, topic },
        { prompt: 'night', topic },
        { params: { strength: 0.5 }, topic },
      ])
        give(msg);
      await until(() => ledger.ended === 3);
      assert.deepEqual(ledger.errors, ['EBADPARAM', 'EBADPARAM', 'EBADPARAM']);
      const done = ledger.done.length;
      give({ payload, topic: 'x' });
      await until(() => ledger.sent[0].some((msg) => msg.topic === 'x') && ledger.done.length > done);
    });
  }
});
