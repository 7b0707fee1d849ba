import assert from 'node:assert/strict';
import { stopAllHosts } from '../../engine/host/client';
import { helper } from '../lib/flow';
import { fuzz } from '../lib/fuzz';

describe('damaged pictures and messages that make no sense', function () {
  this.timeout(180_000);
  after(async () => {
    await helper.unload();
    await stopAllHosts();
  });

  it('each ends in one done, with a code that says what is wrong, and harms nothing', async () => {
    const { inputs, endings, faults, memory } = await fuzz(1500, 1);
    assert.deepEqual(faults, []);
    assert.equal(
      Object.values(endings).reduce((sum, count) => sum + count, 0),
      inputs + 1,
    );
    assert.ok(endings.EBADFRAME > 100 && endings.none > 100, JSON.stringify(endings));
    const rss = memory.map((after) => after.rss);
    assert.ok(rss.at(-1)! - rss[0] < 150e6, `${rss} bytes`);
  });
});
