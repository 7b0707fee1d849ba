import assert from 'node:assert/strict';
import { lookAtRawPictures } from '../lib/raw-pictures';

describe('raw pictures of all kinds, described in many ways', () => {
  it('are each refused in a sentence, or are exactly what they say', async () => {
    const { taken, slowest } = await lookAtRawPictures(1500, 3);
    assert.ok(taken > 100, `${taken} were taken`);
    assert.ok(slowest < 500, `${slowest} ms`);
  });
});
