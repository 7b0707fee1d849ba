import assert from 'node:assert/strict';
import { Lane } from '../../../engine/util/lane';

describe('lane', () => {
  it('works off jobs one after the other, in order, past those that fail', async () => {
    const lane = new Lane();
    const log: string[] = [];
    const job = (name: string, ms: number) => async () => {
      log.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, ms));
      log.push(`${name} ends`);
      if (name === 'b') throw new Error('b failed');
      return name;
    };
    const results = await Promise.allSettled([lane.run(job('a', 20)), lane.run(job('b', 1)), lane.run(job('c', 1))]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    await lane.idle();
  });
});
