import assert from 'node:assert/strict';
import { fuzzModels } from '../lib/fuzz-models';

describe('model folders with damaged headers and configs', function () {
  this.timeout(120_000);

  it('are used or refused with a code, soon, and memory stays', async () => {
    const { usable, refused, faults, longestMs, memory } = await fuzzModels(300, 5);
    assert.deepEqual(faults, []);
    assert.ok(usable > 20 && refused > 100, `${usable} usable, ${refused} refused`);
    assert.ok(longestMs < 10_000, `${longestMs} ms`);
    assert.ok(memory.peak - memory.before < 150 * 2 ** 20, JSON.stringify(memory));
  });
});
