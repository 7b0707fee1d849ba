import assert from 'node:assert/strict';
import { stopAllHosts } from '../../engine/host/client';
import { helper } from '../lib/flow';
import { fuzzSettings } from '../lib/fuzz-settings';

describe('settings under many topics, sound and damaged', function () {
  this.timeout(180_000);
  after(async () => {
    await helper.unload();
    await stopAllHosts();
  });

  it('each ends in one done with a code, none opens a stream, and the one that runs goes on', async () => {
    const { painted, streams, endings, faults } = await fuzzSettings(1000, 1);
    assert.deepEqual(faults, []);
    assert.deepEqual(streams, ['']);
    assert.equal(
      Object.values(endings).reduce((sum, count) => sum + count, 0),
      1000,
    );
    assert.ok(endings.EBADPARAM > 50 && endings.none > 100, JSON.stringify(endings));
    assert.ok(painted > 0, `${painted} frames`);
  });
});
