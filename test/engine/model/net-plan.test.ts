import assert from 'node:assert/strict';
import { planNet } from '../../../engine/model/net-plan';

const small = { name: 'unet' as const, executionProvider: 'cpu', totalBytes: 20e6 };

describe('where nets run', () => {
  it('small ones on the CPU: a copy in each of two threads with half of the cores', () => {
    assert.deepEqual(planNet(small, 8), { size: 2, members: [0, 1], intraOpNumThreads: 4 });
    assert.deepEqual(planNet({ ...small, name: 'vae_decoder' }, 2), { size: 2, members: [0, 1], intraOpNumThreads: 1 });
    assert.deepEqual(planNet({ ...small, name: 'text_encoder' }, 2), { size: 2, members: [0], intraOpNumThreads: 1 });
  });

  it('large ones on the CPU, or with one core: one after the other on all cores, their weights once', () => {
    assert.deepEqual(planNet({ ...small, totalBytes: 3.4e9 }, undefined), { size: 1, members: [0], intraOpNumThreads: undefined });
    assert.deepEqual(planNet(small, 1), { size: 1, members: [0], intraOpNumThreads: 1 });
  });

  it('on other devices the autoencoder beside the other nets', () => {
    const cuda = { ...small, executionProvider: 'cuda:0' };
    assert.deepEqual(planNet(cuda, undefined), { size: 2, members: [0], intraOpNumThreads: undefined });
    assert.deepEqual(planNet({ ...cuda, name: 'vae_encoder' }, undefined), { size: 2, members: [1], intraOpNumThreads: undefined });
  });
});
