import assert from 'node:assert/strict';
import { probeProviders } from '../../../engine/net/providers';

describe('probing execution providers', () => {
  it('takes the first that works', async () => {
    assert.deepEqual(await probeProviders(['cpu', 'nonsense']), { provider: 'cpu', refused: [] });
  });

  it('goes on to the next and says why the earlier ones were refused', async () => {
    const { provider, refused } = await probeProviders(['nonsense', 'cpu']);
    assert.equal(provider, 'cpu');
    assert.equal(refused.length, 1);
    assert.equal(refused[0].provider, 'nonsense');
    assert.match(refused[0].reason, /nonsense.* not found/);
  });

  it('rejects with ENOPROVIDER and every reason when none works', async () => {
    await assert.rejects(probeProviders(['nonsense', 'absurd']), { code: 'ENOPROVIDER', message: /nonsense: .*absurd: / });
    await assert.rejects(probeProviders([]), { code: 'ENOPROVIDER', message: /empty/ });
  });
});
