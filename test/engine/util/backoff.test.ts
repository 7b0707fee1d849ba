import assert from 'node:assert/strict';
import { Backoff, jittered } from '../../../engine/util/backoff';

describe('backoff', () => {
  it('doubles its pauses up to the longest, and begins anew when something worked', () => {
    const backoff = new Backoff({ first: 250, last: 1500 });
    const pauses = Array.from({ length: 5 }, () => backoff.next());
    assert.deepEqual(pauses, [250, 500, 1000, 1500, 1500]);
    assert.equal(backoff.failures, 5);
    backoff.reset();
    assert.deepEqual([backoff.failures, backoff.next(), backoff.next()], [0, 250, 500]);
  });

  it('never lets its pauses overflow, however long it goes on', () => {
    const backoff = new Backoff({ first: 1, last: 30_000 });
    for (let k = 0; k < 2000; k++) assert.ok(backoff.next() <= 30_000);
    assert.equal(backoff.next(), 30_000);
  });

  it('takes those out of step who failed at the same moment', () => {
    const pauses = Array.from({ length: 200 }, () => jittered(1000));
    assert.ok(
      pauses.every((ms) => ms >= 800 && ms <= 1200),
      pauses.join(),
    );
    assert.ok(new Set(pauses).size > 20);
  });
});
