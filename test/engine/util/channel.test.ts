import assert from 'node:assert/strict';
import { EngineError } from '../../../engine/errors';
import { answerTo, Channel } from '../../../engine/util/channel';

interface Order {
  say: string;
}

describe('channel of requests', () => {
  const sent: (Order & { id: number })[] = [];
  const open = (): Channel<Order, string> => {
    sent.length = 0;
    return new Channel((request) => sent.push(request));
  };

  it('settles each request with its own answer, in whatever order they come', async () => {
    const channel = open();
    const [first, second] = [channel.request({ say: 'a' }, 'first'), channel.request({ say: 'b' }, 'second')];
    assert.deepEqual(channel.notes, ['first', 'second']);
    assert.ok(channel.hear({ id: sent[1].id, result: 'B' }));
    assert.ok(channel.hear({ id: sent[0].id, error: { code: 'EBADFRAME', message: 'no a' } }));
    assert.equal(await second, 'B');
    await assert.rejects(first, { name: 'EngineError', code: 'EBADFRAME', message: 'no a' });
    assert.equal(channel.size, 0);
  });

  it('says of an answer that nobody asked for it, also of a second one', async () => {
    const channel = open();
    assert.equal(channel.hear({ id: 7, result: 1 }), false);
    const asked = channel.request({ say: 'a' }, '');
    assert.equal(channel.hear({ id: sent[0].id, result: 1 }), true);
    assert.equal(channel.hear({ id: sent[0].id, result: 2 }), false);
    assert.equal(await asked, 1);
  });

  it('rejects all that waits when it closes, and all that comes later, for the first reason', async () => {
    const channel = open();
    const waiting = channel.request({ say: 'a' }, '');
    channel.close(new EngineError('EHOST', 'it has ended'));
    channel.close(new Error('another reason'));
    await assert.rejects(waiting, { code: 'EHOST', message: 'it has ended' });
    await assert.rejects(channel.request({ say: 'b' }, ''), { code: 'EHOST' });
    assert.equal(sent.length, 1, 'nothing is sent any more');
  });

  it('forgets a request that could not be sent', async () => {
    const channel = new Channel<Order, string>(() => {
      throw new TypeError('its bytes cannot be moved');
    });
    await assert.rejects(channel.request({ say: 'a' }, 'a'), /its bytes cannot be moved/);
    assert.equal(channel.size, 0);
  });

  it('gives up single requests; the others go on', async () => {
    const channel = open();
    const [slow, other] = [channel.request({ say: 'a' }, 'slow'), channel.request({ say: 'b' }, 'other')];
    channel.reject(['slow'], new EngineError('ETIMEOUT', 'too slow'));
    await assert.rejects(slow, { code: 'ETIMEOUT' });
    assert.equal(channel.hear({ id: sent[0].id, result: 'late' }), false);
    channel.hear({ id: sent[1].id, result: 'B' });
    assert.equal(await other, 'B');
  });

  it('is answered in plain values, whatever the work throws', async () => {
    assert.deepEqual(await answerTo(1, () => 5), { id: 1, result: 5 });
    const wrong = (thrown: unknown): unknown => answerTo(2, () => Promise.reject(thrown));
    assert.deepEqual(await wrong(new EngineError('EDISK', 'full')), { id: 2, error: { code: 'EDISK', message: 'full' } });
    assert.deepEqual(await wrong('a word'), { id: 2, error: { code: 'EHOST', message: 'a word' } });
  });
});
