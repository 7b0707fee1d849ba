import assert from 'node:assert/strict';
import { probeProviders } from '../../../../engine/net/ort/providers';

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

  it('goes on where the driver or the libraries of a graphics card are missing', async function () {
    if (process.platform !== 'linux' || process.arch !== 'x64') return this.skip();
    const { provider, refused } = await probeProviders(['cuda:0', 'cpu']);
    if (provider === 'cuda:0') {
      console.log('    skipped: this machine has all that CUDA needs');
      return this.skip();
    }
    assert.deepEqual([provider, refused.map((one) => one.provider)], ['cpu', ['cuda:0']]);
    assert.match(refused[0].reason, /CUDA 13, cuDNN 9 .*providers check/);
    assert.doesNotMatch(refused[0].reason, /\n|\.cc:\d/);
  });

  it('rejects with ENOPROVIDER and every reason when none works', async () => {
    await assert.rejects(probeProviders(['nonsense', 'absurd']), { code: 'ENOPROVIDER', message: /nonsense: .*absurd: / });
    await assert.rejects(probeProviders([]), { code: 'ENOPROVIDER', message: /empty/ });
  });
});
