import assert from 'node:assert/strict';
import { ProgressMeter } from '../../../engine/hub/progress';

describe('progress of a download', () => {
  let clock = 0;
  const wait = (ms: number): void => {
    clock += ms;
  };
  const meter = (total: number, done = 0): ProgressMeter => new ProgressMeter(total, done, () => clock);

  it('tells the speed and the time that is left', () => {
    const m = meter(10_000);
    wait(1000);
    m.add(2000);
    assert.deepEqual(m.progress('downloading'), {
      phase: 'downloading',
      doneBytes: 2000,
      totalBytes: 10_000,
      bytesPerSecond: 2000,
      remainingMs: 4000,
    });
  });

  it('does not take for speed what was there before', () => {
    const m = meter(10_000, 8000);
    wait(1000);
    assert.deepEqual([m.progress('downloading').bytesPerSecond, m.progress('downloading').remainingMs], [0, undefined]);
    m.add(1000);
    assert.deepEqual([m.progress('downloading').doneBytes, m.progress('downloading').bytesPerSecond], [9000, 1000]);
  });

  it('looks back for five seconds, and sees a standstill', () => {
    const m = meter(1e9);
    for (let i = 0; i < 100; i++) {
      wait(100);
      m.add(1e6);
    }
    for (let i = 0; i < 100; i++) {
      wait(100);
      m.add(1e5);
    }
    const slow = m.progress('downloading').bytesPerSecond;
    assert.ok(Math.abs(slow - 1e6) < 1e5, `${slow}`);
    wait(60_000);
    assert.ok(m.progress('downloading').bytesPerSecond < slow / 10);
  });

  it('goes back when bytes have to come again, without a negative speed', () => {
    const m = meter(1000);
    wait(500);
    m.add(600);
    m.add(-600);
    assert.equal(m.progress('downloading').doneBytes, 0);
    assert.ok(m.progress('downloading').bytesPerSecond >= 0);
  });
});
